package import Model

/// Who lists recordings, and so on whose behalf they are fetched.
package enum DiscoveryReason: Sendable {
  case sync, lookBack
  /// Somebody wants to know what there is; nothing is fetched.
  case check
  /// Nothing is fetched any more once the back-fill is not running, or the duty has another owner. With the page
  /// everything before `reached` is listed, and `found` more recordings of it were wanted.
  case backfill(id: String, lease: DutyLease, reached: Instant, found: Int)

  /// As it stands in a job's row and in the access log.
  package var name: String {
    switch self {
    case .sync: "sync"
    case .lookBack: "look_back"
    case .check: "check"
    case .backfill(let id, _, _, _): id
    }
  }

  /// Of the jobs that are made for it.
  var priority: Priority {
    switch self {
    case .sync, .lookBack, .check: .fresh
    case .backfill: .backfill
    }
  }
}

extension Catalog {
  /// Takes in a page of what the platform lists for a span of time: all of it in one transaction.
  ///
  /// Recordings that are wanted, or known already, are written down as `observe` does. Those that are to be fetched and
  /// have no job get one, once, however often and by however many nodes they are listed: with a restricted clearance,
  /// since an archive must be complete. One entry of the access log says how many. What failed for good, was stopped by
  /// a person or was deleted on purpose is left alone; what failed of something that may have passed is left to the
  /// look back, which starts it afresh: once an hour, so that it never becomes a storm.
  ///
  /// - Parameters:
  ///   - expected: what coverage expects of the source.
  ///   - fetched: what gets a job; nil for nothing.
  /// - Returns: how many jobs were made, or set going again.
  /// - Throws: `leaseLost` for a back-fill that another node has taken over, or that is not running any more.
  @discardableResult
  package func discover(
    _ page: [PlatformRecording], in period: Period, of source: SourceID, expected: SyncFilter, fetched: SyncFilter?,
    for reason: DiscoveryReason
  ) async throws(TapedeckError) -> Int {
    try await database.write { db in
      var facts: [RecordingID: PlatformRecording] = [:]
      for recording in page { facts[recording.id] = recording }
      var known = try db.known(Array(facts.keys), of: source)
      var listed = (wanted: [RecordingID](), unwanted: [RecordingID]())
      var toFetch: [RecordingID] = []
      var failed: [RecordingID] = []
      // In the page's order, so that several nodes take their locks in the same one.
      for recording in page where facts.removeValue(forKey: recording.id) != nil {
        let isExpected = expected.wants(recording)
        let isFetched = fetched?.wants(recording) ?? false
        guard isExpected || isFetched || known[recording.id] != nil else { continue }
        if known[recording.id]?.says(recording) != true {
          try db.observe(recording, of: RecordingKey(source: source, id: recording.id))
        }
        if isExpected { listed.wanted.append(recording.id) } else { listed.unwanted.append(recording.id) }
        let standing = known.removeValue(forKey: recording.id)
        guard isFetched, standing?.isSettled(for: reason, listedAs: recording.status) != true else { continue }
        if recording.status != .failed || standing?.jobState != nil { toFetch.append(recording.id) }
        if standing?.jobState == .failed { failed.append(recording.id) }
      }
      try db.markListed(listed.wanted, isWanted: true, in: period, of: source)
      try db.markListed(listed.unwanted, isWanted: false, in: period, of: source)
      let queued = try db.queue(toFetch, afresh: failed, of: source, for: reason)
      if queued > 0 { try db.logQueued(queued, in: period, of: source, for: reason) }
      if case .backfill(let id, let lease, let reached, let found) = reason {
        try db.advanceBackfill(id, lease: lease, to: reached, found: found, queued: queued)
      }
      return queued
    }
  }
}

/// What the catalog knows of a recording that is listed again.
private struct KnownRecording {
  var status: PlatformStatus
  var privacy: Privacy
  var startTime: Instant?
  var json: String
  var isWhole: Bool
  var isArchived: Bool
  var isTombstoned: Bool
  var jobState: RunState?
  var failure: TapedeckError.Code?
  var workerDeaths: Int64

  init(_ row: Row) throws(TapedeckError) {
    status = try row.value("platform_status", as: PlatformStatus.self)
    privacy = try row.value("privacy", as: Privacy.self)
    startTime = row.optionalInstant("started_at")
    json = try row.text("metadata")
    isWhole = try row.int("is_whole") == 1
    isArchived = row.optionalInstant("archived_at") != nil
    isTombstoned = row.optionalInstant("tombstoned_at") != nil
    jobState = row.optionalValue("run_state", as: RunState.self)
    failure = row.optionalText("failure_code").map { TapedeckError.Code(rawValue: $0) ?? .internalError }
    workerDeaths = row.optionalInt("worker_deaths") ?? 0
  }

  /// Whether it holds all that the platform says now, so that there is nothing to write.
  func says(_ recording: PlatformRecording) -> Bool {
    json == recording.json && status == recording.status && privacy >= recording.privacy
      && startTime == recording.startTime
  }

  /// Whether nothing is to be done about it.
  func isSettled(for reason: DiscoveryReason, listedAs status: PlatformStatus) -> Bool {
    if isWhole || isTombstoned { return true }
    switch (jobState, reason) {
    case (.cancelled, _): return true
    case (.failed, .lookBack): return !mayHavePassed(status)
    case (.failed, _): return true
    case (.idle, _), (.leased, _), (.waiting, _), (.done, _), (nil, _): return false
    }
  }

  /// Whether what the job failed of is something that passes, by itself or by an operator's hand.
  private func mayHavePassed(_ status: PlatformStatus) -> Bool {
    // A repair that failed is the verification's to try again: it goes by the kept original first.
    guard !isArchived, status != .failed, let failure else { return false }
    switch failure {
    case .ffmpegMissing: return true
    case .neverAvailable: return status == .available
    // What may have taken its worker down each time would do so every hour.
    case .internalError: return workerDeaths < RetrySchedule().workerDeaths
    default: return failure.remedy == .retry
    }
  }
}

/// What a job's row is set to when it starts afresh, but for whose it is.
private let startAfresh: SQL = """
  stage = 'queued', run_state = 'idle', requested_at = tapedeck_now_ms(), due_at = tapedeck_now_ms(),
  polls = 0, attempts = 0, worker_deaths = 0, resumes = 0, refusals = 0, download = NULL, bytes = 0,
  total_bytes = NULL, failure_code = NULL, failure_message = NULL, retry_after_ms = NULL, ended_at = NULL,
  fence = fence + 1
  """

extension Connection {
  fileprivate func known(
    _ ids: [RecordingID], of source: SourceID
  ) throws(TapedeckError) -> [RecordingID: KnownRecording] {
    guard !ids.isEmpty else { return [:] }
    var known: [RecordingID: KnownRecording] = [:]
    let rows = try rows(
      """
      SELECT r.platform_id, r.platform_status, r.privacy, r.started_at, r.metadata, r.archived_at, r.tombstoned_at,
        j.run_state, j.failure_code, j.worker_deaths,
        CASE WHEN \(recordingIsWhole) THEN 1 ELSE 0 END AS is_whole
      FROM recording r LEFT JOIN job j ON j.kind = 'ingest' AND j.source = r.source AND j.platform_id = r.platform_id
      WHERE r.source = \(source) AND r.platform_id IN \(SQL.list(ids))
      """)
    for row in rows {
      guard let id = RecordingID(try row.text("platform_id")) else { continue }
      known[id] = try KnownRecording(row)
    }
    return known
  }

  fileprivate func markListed(
    _ ids: [RecordingID], isWanted: Bool, in period: Period, of source: SourceID
  ) throws(TapedeckError) {
    guard !ids.isEmpty else { return }
    try execute(
      """
      UPDATE recording SET listed_at = tapedeck_now_ms(), wanted = \(isWanted),
        counted_at = coalesce(started_at, \(period.start))
      WHERE source = \(source) AND platform_id IN \(SQL.list(ids))
      """)
  }

  /// Has recordings fetched that nobody fetches, or that wait for somebody with a clearance.
  ///
  /// - Parameter failed: those of them whose job failed and starts afresh.
  /// - Returns: how many jobs were made or set going.
  fileprivate func queue(
    _ ids: [RecordingID], afresh failed: [RecordingID], of source: SourceID, for reason: DiscoveryReason
  ) throws(TapedeckError) -> Int {
    guard !ids.isEmpty else { return 0 }
    var backfill: String?
    if case .backfill(let id, _, _, _) = reason { backfill = id }
    var queued = 0
    for id in ids {
      queued += try execute(
        """
        INSERT INTO job (kind, source, platform_id, stage, run_state, clearance, requested_at, requested_by, due_at,
          priority, backfill)
        VALUES ('ingest', \(source), \(id), \(Stage.queued), \(RunState.idle), \(Privacy.restricted),
          tapedeck_now_ms(), \(reason.name), tapedeck_now_ms(), \(reason.priority), \(backfill))
        ON CONFLICT (kind, source, platform_id) DO NOTHING
        """)
    }
    // Archived once, but not any more, since its rows were lost; or failed of something that may have passed.
    let ended: SQL =
      failed.isEmpty
      ? "run_state = 'done'"
      : "(run_state = 'done' OR run_state = 'failed' AND platform_id IN \(SQL.list(failed)))"
    let again = try rows(
      """
      UPDATE job SET \(startAfresh), requested_by = \(reason.name), clearance = \(Privacy.restricted),
        priority = \(reason.priority), backfill = \(backfill)
      WHERE kind = 'ingest' AND source = \(source) AND platform_id IN \(SQL.list(ids))
        AND \(ended)
      RETURNING id
      """)
    let waiting = try rows(
      """
      UPDATE job SET clearance = \(Privacy.restricted), run_state = \(RunState.idle), due_at = tapedeck_now_ms()
      WHERE kind = 'ingest' AND source = \(source) AND platform_id IN \(SQL.list(ids)) AND run_state = 'waiting'
        AND due_at IS NULL
      RETURNING id
      """)
    try execute(
      """
      UPDATE job SET clearance = \(Privacy.restricted)
      WHERE kind = 'ingest' AND source = \(source) AND platform_id IN \(SQL.list(ids))
        AND run_state IN ('idle', 'leased', 'waiting') AND clearance = \(Privacy.standard)
      """)
    try refreshListedStatus(of: ids, in: source)
    for row in again + waiting { notify(.job(try row.int("id"))) }
    queued += again.count + waiting.count
    if queued > 0 { notify(.workDue) }
    return queued
  }

  fileprivate func logQueued(
    _ count: Int, in period: Period, of source: SourceID, for reason: DiscoveryReason
  ) throws(TapedeckError) {
    guard let now = try row("SELECT tapedeck_now_ms() AS now")?.instant("now") else { return }
    try insert(
      LogEntry(
        at: now, action: .ingest, outcome: .allowed, actor: nil, count: Int64(count),
        details: [
          "by": reason.name, "from": period.start.iso8601, "source": source.rawValue, "to": period.end.iso8601,
        ]))
  }
}
