import Foundation
package import Model

/// A backfill: the calls of a period are archived step by step, oldest first.
package struct Backfill: Sendable {
  package enum State: String, Sendable, CaseIterable {
    /// The node with the task lease advances it.
    case running
    /// No more jobs are created until a user resumes it; existing jobs continue.
    case paused
    /// All listed recordings are archived or have failed permanently.
    case done
    /// It cannot continue; `failure` has the reason.
    case failed
    /// A user cancelled it; existing jobs continue.
    case cancelled
  }

  package var id: String
  package var source: SourceID
  package var period: Period
  /// Nil for the direction of the source's filter.
  package var direction: Direction?
  /// Everything before this time is listed.
  package var reachedAt: Instant
  /// Whether the whole period is listed.
  package var isListed: Bool
  package var state: State
  /// How many recordings of the listed part match the filter.
  package var found: Int64
  /// How many jobs were created for them.
  package var queued: Int64
  /// Rows of its lists without a usable ID.
  package var unidentified: UnidentifiedRows
  /// The rows without a start time that are counted and may be listed again from `reachedAt` on.
  package var countedRows: [String]
  /// Where a day begins that was not listed in one go and is to be listed again; nil when there is none. Rows may be
  /// missed when a list is resumed by the time of its last row, because the platform's order is not certain.
  package var relistFrom: Instant?
  package var createdAt: Instant
  package var createdBy: String
  package var endedAt: Instant?
  package var failure: TapedeckError?
  /// Jobs that are unfinished; `failed` and `endedLately` (within the last hour) likewise count jobs.
  package var open: Int64
  package var failed: Int64
  package var endedLately: Int64

  init(_ row: Row) throws(TapedeckError) {
    id = try row.text("id")
    source = try row.source()
    period = Period(start: try row.instant("from_at"), end: try row.instant("to_at"))
    direction = row.optionalValue("direction", as: Direction.self)
    reachedAt = try row.instant("reached_at")
    isListed = try row.int("is_listed") == 1
    state = try row.value("state", as: State.self)
    found = try row.int("found")
    queued = try row.int("queued")
    unidentified = UnidentifiedRows(json: try row.text("unidentified"))
    countedRows = (try? JSONDecoder().decode([String].self, from: Data(try row.text("counted_rows").utf8))) ?? []
    relistFrom = row.optionalInstant("relist_from")
    createdAt = try row.instant("created_at")
    createdBy = try row.text("created_by")
    endedAt = row.optionalInstant("ended_at")
    failure = row.optionalErrorCode("failure_code").map { TapedeckError($0, row.optionalText("failure")) }
    open = row.optionalInt("open") ?? 0
    failed = row.optionalInt("failed") ?? 0
    endedLately = row.optionalInt("ended_lately") ?? 0
  }

  /// How much of the period is listed, from 0 to 1.
  package var share: Double {
    if isListed || period.isEmpty { return 1 }
    return min(max((reachedAt - period.start).inSeconds / period.duration.inSeconds, 0), 1)
  }

  /// The estimated number of recordings still to be archived: unfinished jobs, and those of the rest of the period,
  /// extrapolated from the listed part. Nil while too little is listed for an estimate.
  package var remaining: Int64? {
    if isListed { return open }
    guard share >= 0.001, queued > 0 else { return nil }
    let estimate = Double(queued) / share - Double(queued)
    return estimate < 1e15 ? open + Int64(estimate.rounded()) : nil
  }

  /// Recordings per hour, measured over the last hour; nil before the first job has ended.
  package func hourlyRate(at now: Instant) -> Double? {
    let hours = min((now - createdAt).inSeconds / 3600, 1)
    return endedLately > 0 && hours > 0 ? Double(endedLately) / max(hours, 1.0 / 60) : nil
  }

  /// When it will be done at the current rate; nil when it is not running or there is no estimate.
  package func through(at now: Instant) -> Instant? {
    guard state == .running, let remaining, let rate = hourlyRate(at: now) else { return nil }
    return now + .seconds(min(Double(remaining) / rate * 3600, 1e10))
  }
}

extension Backfill {
  /// A platform keeps recordings for some years. An earlier period is a typing error that would cause years of
  /// requests.
  private static let earliestYears = 20

  /// - Parameter zone: the time zone of the source.
  /// - Throws: `invalidRequest` for a period that is empty, begins many years ago or ends after today.
  package static func check(_ period: Period, in zone: CalendarZone, now: Instant) throws(TapedeckError) {
    guard !period.isEmpty else { throw TapedeckError(.invalidRequest, "'from' must be before 'to'.") }
    let today = CalendarDay(containing: now, in: zone)
    let earliest = today.advanced(by: -earliestYears * 366)
    guard period.start >= earliest.start else {
      throw TapedeckError(
        .invalidRequest,
        "'from' is more than \(earliestYears) years ago. A backfill can start on \(earliest) or later.")
    }
    guard period.start <= now else {
      throw TapedeckError(.invalidRequest, "'from' is in the future. A backfill fetches past calls.")
    }
    guard period.end <= today.end else {
      throw TapedeckError(.invalidRequest, "'to' is in the future. A backfill can end on \(today) or earlier.")
    }
  }
}

/// What a page adds to a backfill.
package struct BackfillStep: Sendable {
  /// Everything before this is listed.
  package var reached: Instant
  /// How many recordings of the page match the filter.
  package var found: Int
  package var unidentified: UnidentifiedRows
  /// Replaces those of the backfill.
  package var countedRows: [String]
  /// Replaces that of the backfill.
  package var relistFrom: Instant?
  /// Whether the day was listed before, so that a recording counts as found only if it gets a job now.
  package var isRepeated: Bool

  package init(
    reached: Instant, found: Int, unidentified: UnidentifiedRows = UnidentifiedRows(), countedRows: [String] = [],
    relistFrom: Instant? = nil, isRepeated: Bool = false
  ) {
    self.reached = reached
    self.found = found
    self.unidentified = unidentified
    self.countedRows = countedRows
    self.relistFrom = relistFrom
    self.isRepeated = isRepeated
  }
}
