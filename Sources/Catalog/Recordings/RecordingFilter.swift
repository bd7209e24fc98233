package import Model

/// The recordings that a list is narrowed to.
package struct RecordingFilter: Sendable, Equatable {
  /// Words or their beginnings, of which the first 16 are searched; digits of a phone number; or an exact recording ID.
  package var text: String?
  package var source: SourceID?
  /// An agent's platform ID, or words of which each is part of the name; case and accents do not count.
  package var agent: String?
  package var direction: Direction?
  package var privacy: Privacy?
  package var status: ListedStatus?
  /// The first moment of the interval; `to` is the first moment after it.
  package var from: Instant?
  package var to: Instant?

  package init() {}

  package var isEmpty: Bool { self == RecordingFilter() }

  /// Whether it compares facts that a closed row does not show: a match would disclose them.
  var comparesFacts: Bool {
    text != nil || agent != nil || direction != nil || from != nil || to != nil || status == .damaged
  }
}

/// The progress of a recording, as lists show it.
package enum ListedStatus: String, Sendable, CaseIterable {
  case ready
  case underway = "under_way"
  case failed, known
  /// Archived, but a file is damaged or missing.
  case damaged

  /// The values of the column `listed_status`, which does not tell damaged recordings from ready ones.
  static let stored = allCases.filter { $0 != .damaged }
}

/// The last row of a page, in a list that is sorted by time, newest first.
package struct ListCursor: Sendable, Equatable {
  package var at: Instant
  package var id: Int64

  package init(at: Instant, id: Int64) {
    self.at = at
    self.id = id
  }
}
