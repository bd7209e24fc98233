package import Model

/// How the contract of a source differs from others, for code that must not know which contract it is.
package struct SourcePolicy: Sendable, Equatable {
  /// How long a recording that is not available yet is waited for.
  package enum Waiting: Sendable, Equatable {
    /// By polls that follow each other quickly; the settings have their number and delays.
    case polls
    /// By a few requests, up to a deadline that is counted from the end of the call.
    case untilDeadline(DeadlineSchedule)
  }

  /// What the duration of a listed call says about its audio.
  package enum DurationMeaning: Sendable, Equatable {
    /// The audio is as long.
    case exact
    /// The audio may be much shorter: the duration includes time that is not recorded.
    case upperBound
  }

  package var waiting: Waiting
  /// Whether the privacy of a recording may be read again at any time. False where each request is billed.
  package var rereadsPrivacy: Bool
  package var duration: DurationMeaning
  /// The number of rows that are requested at a time.
  package var pageSize: Int
  /// Whether `listChanges` is supported.
  package var listsChanges: Bool
  /// Whether located media can be downloaded at any later time and by any node. False where its address lapses soon
  /// and only the process that located it has it: media is then located directly before its download.
  package var locationLasts: Bool

  package init(
    waiting: Waiting, rereadsPrivacy: Bool, duration: DurationMeaning, pageSize: Int, listsChanges: Bool,
    locationLasts: Bool
  ) {
    self.waiting = waiting
    self.rereadsPrivacy = rereadsPrivacy
    self.duration = duration
    self.pageSize = pageSize
    self.listsChanges = listsChanges
    self.locationLasts = locationLasts
  }
}
