package import Model

/// Which recordings a list shows, and from where on.
package struct RecordingFilter: Sendable, Equatable {
  /// Whole words or their beginnings, the first 16 of them; an exact id is found too.
  package var text: String?
  /// Whether `text` is also looked for in the addresses of callers and called.
  package var findsAddresses = true
  package var source: SourceID?
  package var agent: String?
  package var direction: Direction?
  package var privacy: Privacy?
  package var status: ListedStatus?
  /// Half open: `from` belongs to it, `to` does not.
  package var from: Instant?
  package var to: Instant?

  package init() {}

  package var isEmpty: Bool { self == RecordingFilter() }
}

/// How far a recording is, in the words of lists.
package enum ListedStatus: String, Sendable, CaseIterable {
  case ready
  case underway = "under_way"
  case failed, known
}

/// A place between two rows of a list that is sorted by time, newest first.
package struct ListCursor: Sendable, Equatable {
  package var at: Instant
  package var id: Int64

  package init(at: Instant, id: Int64) {
    self.at = at
    self.id = id
  }

  /// The opaque form that stands in addresses.
  package var text: String { "\(String(at.milliseconds, radix: 36)).\(String(id, radix: 36))" }

  package init?(_ text: String) {
    let parts = text.split(separator: ".")
    guard parts.count == 2, let at = Int64(parts[0], radix: 36), let id = Int64(parts[1], radix: 36) else { return nil }
    self.init(at: Instant(milliseconds: at), id: id)
  }
}
