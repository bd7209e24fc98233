package import Model

/// How a recording stands that must be in the archive.
package enum CoverageStanding: String, Sendable, CaseIterable {
  /// In the archive, with its files.
  case ready
  /// Its job is under way.
  case waiting
  /// Its job ended without it, or the platform itself has no audio of it.
  case failed
  /// What the platform sent was no whole recording, twice.
  case refused
  /// Nobody fetches it.
  case missing
}

/// What a day of a source holds, against what it must hold.
///
/// `expected` is always the sum of the five standings.
package struct CoverageDay: Sendable {
  package var day: CalendarDay
  /// When the platform was last asked for all of this day; nil if it never was.
  package var checkedAt: Instant?
  /// How many recordings the platform lists, wanted or not; nil if it was never asked.
  package var reported: Int64?
  /// How many each standing has.
  package var standings: [CoverageStanding: Int64]
  /// How many of the expected recordings the platform did not list any more when it was last asked.
  package var unlisted: Int64

  package var expected: Int64 { standings.values.reduce(0, +) }
  package var gaps: Int64 { expected - count(.ready) }

  package func count(_ standing: CoverageStanding) -> Int64 { standings[standing] ?? 0 }
}

/// A recording that must be in the archive and is not.
package struct CoverageGap: Sendable {
  /// The row's number, which is the place in the list.
  package var id: Int64
  package var key: RecordingKey
  package var privacy: Privacy
  /// The moment by which it counts to a day.
  package var countedAt: Instant
  package var standing: CoverageStanding
  /// The stable code of a failure.
  package var code: TapedeckError.Code?
  /// Why it is not there, in a sentence.
  package var reason: String
  /// Whether asking for it may bring it.
  package var isFillable: Bool

  init(_ row: Row) throws(TapedeckError) {
    id = try row.int("id")
    key = try row.recordingKey()
    privacy = try row.value("privacy", as: Privacy.self)
    countedAt = try row.instant("counted_at")
    standing = try row.value("standing", as: CoverageStanding.self)
    let failure = row.optionalText("failure_code").map { TapedeckError.Code(rawValue: $0) ?? .internalError }
    let message = row.optionalText("failure_message") ?? failure?.defaultMessage
    let runState = row.optionalValue("run_state", as: RunState.self)
    let isFailedOnPlatform = row.optionalText("platform_status") == PlatformStatus.failed.rawValue
    switch standing {
    case .ready:
      (reason, isFillable) = ("It is in the archive.", false)
    case .waiting where row.optionalInstant("due_at") == nil && runState == .waiting:
      (reason, isFillable) = ("It waits for somebody who may have restricted recordings archived.", true)
    case .waiting:
      code = failure
      let words = message.map { "\($0) It is tried again." } ?? Self.words(row.optionalValue("stage", as: Stage.self))
      (reason, isFillable) = (words, false)
    case .failed where runState == .cancelled:
      (reason, isFillable) = ("Somebody stopped it. Asking for it by its id starts it afresh.", false)
    case .failed, .refused:
      code = isFailedOnPlatform ? .recordingFailedOnPlatform : failure ?? .internalError
      reason = isFailedOnPlatform ? TapedeckError.Code.recordingFailedOnPlatform.defaultMessage : message ?? ""
      isFillable = standing == .failed && !isFailedOnPlatform
    case .missing:
      (reason, isFillable) = (Self.words(missing: row), true)
    }
  }

  private static func words(_ stage: Stage?) -> String {
    switch stage {
    case .queued, nil: "It waits for its turn."
    case .awaiting: "The platform does not have it ready yet."
    case .fetching: "It is being fetched."
    case .processing, .ready: "It is being checked and converted."
    }
  }

  private static func words(missing row: Row) -> String {
    if row.optionalInstant("archived_at") != nil {
      return "It was archived, but the catalog does not have its files any more."
    }
    if row.optionalText("run_state") != nil { return "It was archived, but the catalog lost it." }
    return row.optionalInt("is_unlisted") == 1
      ? "Nobody asked for it, and the platform does not list it any more." : "Nobody has asked for it yet."
  }
}
