package import Model

/// Why recordings are listed, and on whose behalf they are archived.
package enum DiscoveryReason: Sendable {
  case sync, lookBack
  /// A coverage check, which creates no jobs.
  case check
  /// A backfill; creates no jobs once it is not running or its task lease has another holder.
  case backfill(id: String, lease: TaskLease, BackfillStep)

  /// The name in the job's row and in the access log.
  package var name: String {
    switch self {
    case .sync: "sync"
    case .lookBack: "look_back"
    case .check: "check"
    case .backfill(let id, _, _): id
    }
  }

  /// Whether the listed period is a day of the source's time zone.
  var listsDays: Bool {
    switch self {
    case .lookBack, .check: true
    case .sync, .backfill: false
    }
  }

  /// The priority of the jobs that it creates.
  var priority: Priority {
    switch self {
    case .sync, .lookBack, .check: .fresh
    case .backfill: .backfill
    }
  }
}

/// How far outside of a listed period a recording may have begun and still count toward it.
private let listTolerance = Duration.seconds(1)

extension Catalog {
  /// Stores a page of the platform's list for a period, in one transaction.
  ///
  /// Recordings that are expected, or already known, are stored as by `observe`; of others that are restricted, only
  /// the ID, so that they are restricted when they are requested later. Of several rows of a recording, the first that
  /// is expected counts, with the strictest privacy of all. Recordings that match `fetched` and
  /// have no job get one, regardless of how often and by how many nodes they are listed. The job's clearance is
  /// restricted, since an archive must be complete. One entry of the access log states the number of jobs. Recordings
  /// whose job was cancelled or failed permanently, and removed recordings, are left unchanged. Jobs whose failure may
  /// have passed are restarted by the look-back only, once an hour, to bound the number of requests. A stored recording
  /// whose addresses the platform has erased gets a notice.
  ///
  /// - Parameters:
  ///   - expected: the filter of coverage.
  ///   - fetched: the filter of recordings that get a job; nil for none.
  /// - Returns: the number of jobs created or restarted.
  /// - Throws: `leaseLost` for a backfill that another node has taken over or that is no longer running.
  @discardableResult
  package func discover(
    _ page: [PlatformRecording], in period: Period, of source: SourceID, expected: SyncFilter, fetched: SyncFilter?,
    for reason: DiscoveryReason
  ) async throws(TapedeckError) -> Int {
    try await database.write { db in
      let asListed = page
      let rows = Self.merged(page) { expected.wants($0) || fetched?.wants($0) ?? false }
      let page = try db.folded(rows, of: source)
      var known = try db.known(page.map(\.id), of: source)
      var restricted: [RecordingID] = []
      var listed = (wanted: [RecordingID](), unwanted: [RecordingID]())
      var toFetch: [RecordingID] = []
      var failed: [RecordingID] = []
      // In the order of the page, so that all nodes lock rows in the same order.
      for recording in page {
        let isExpected = expected.wants(recording)
        let isFetched = fetched?.wants(recording) ?? false
        guard isExpected || isFetched || known[recording.id] != nil else {
          if recording.isPrivacyKnown, recording.privacy > .standard { restricted.append(recording.id) }
          continue
        }
        if known[recording.id]?.equals(recording) != true {
          try db.observe(recording, of: RecordingKey(source: source, id: recording.id))
        }
        if isExpected { listed.wanted.append(recording.id) } else { listed.unwanted.append(recording.id) }
        let before = known.removeValue(forKey: recording.id)
        guard isFetched, before?.isSettled(for: reason, listedAs: recording.status) != true else { continue }
        if recording.status != .failed || before?.jobState != nil { toFetch.append(recording.id) }
        if before?.jobState == .failed { failed.append(recording.id) }
      }
      try db.openNotices(for: asListed, of: source)
      try db.markListed(listed.wanted, isWanted: true, in: period, of: source, for: reason)
      try db.markListed(listed.unwanted, isWanted: false, in: period, of: source, for: reason)
      try db.rememberRestricted(restricted, of: source)
      let queued = try db.queue(toFetch, restarting: failed, of: source, for: reason)
      if queued > 0 { try db.logQueued(queued, in: period, of: source, for: reason) }
      if case .backfill(let id, let lease, let step) = reason {
        try db.advanceBackfill(id, lease: lease, by: step, queued: queued)
      }
      return queued
    }
  }

  /// Remembers which recordings of a list are restricted, for a list that is only shown: their privacy applies when
  /// they are requested later, and at once to those that are stored.
  package func rememberRestricted(_ page: [PlatformRecording], of source: SourceID) async throws(TapedeckError) {
    let restricted = Self.merged(page) { _ in false }.filter { $0.isPrivacyKnown && $0.privacy > .standard }
    guard !restricted.isEmpty else { return }
    try await database.write { db in
      var unknown: [RecordingID] = []
      for recording in restricted {
        let key = RecordingKey(source: source, id: recording.id)
        if let known = try db.recording(key) {
          if known.facts.privacy < recording.privacy { try db.observe(recording, of: key) }
        } else {
          unknown.append(recording.id)
        }
      }
      try db.rememberRestricted(unknown, of: source)
    }
  }

  /// One row for each recording, in the order of the page. Rows of legs are folded.
  private static func merged(
    _ page: [PlatformRecording], isWanted: (PlatformRecording) -> Bool
  ) -> [PlatformRecording] {
    var merged: [PlatformRecording] = []
    var indexes: [RecordingID: Int] = [:]
    for recording in page {
      guard let index = indexes[recording.id] else {
        indexes[recording.id] = merged.count
        merged.append(recording)
        continue
      }
      if recording.leg != nil {
        merged[index] = recording.folded(into: merged[index])
        continue
      }
      let privacy = max(merged[index].privacy, recording.privacy)
      if !isWanted(merged[index]), isWanted(recording) { merged[index] = recording }
      merged[index].privacy = privacy
    }
    return merged
  }
}

extension Connection {
  /// Rows of legs are folded into what is known of their calls, in whichever page or period the others were listed.
  fileprivate func folded(
    _ page: [PlatformRecording], of source: SourceID
  ) throws(TapedeckError) -> [PlatformRecording] {
    guard page.contains(where: { $0.leg != nil }) else { return page }
    var calls: [PlatformRecording] = []
    for row in page {
      let known = row.leg == nil ? nil : try recording(RecordingKey(source: source, id: row.id))?.facts
      calls.append(known.map { row.folded(into: $0) } ?? row)
    }
    return calls
  }

  /// Whether the platform has listed a recording as restricted that is not stored.
  func wasListedAsRestricted(_ key: RecordingKey) throws(TapedeckError) -> Bool {
    try row("SELECT 1 AS found FROM restricted_listing WHERE source = \(key.source) AND platform_id = \(key.id)") != nil
  }

  fileprivate func rememberRestricted(_ ids: [RecordingID], of source: SourceID) throws(TapedeckError) {
    guard !ids.isEmpty else { return }
    let remembered = try rows(
      "SELECT platform_id FROM restricted_listing WHERE source = \(source) AND platform_id IN \(SQL.list(ids))")
    var known: Set<String> = []
    for row in remembered { known.insert(try row.text("platform_id")) }
    for id in ids where !known.contains(id.rawValue) {
      try execute(
        "INSERT INTO restricted_listing (platform_id, source) VALUES (\(id), \(source)) ON CONFLICT DO NOTHING")
    }
  }

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
      FROM recording r \(withJob)
      WHERE r.source = \(source) AND r.platform_id IN \(SQL.list(ids))
      """)
    for row in rows {
      guard let id = RecordingID(try row.text("platform_id")) else { continue }
      known[id] = try KnownRecording(row)
    }
    return known
  }

  /// A recording counts toward the day that contains its start. One without a start, and one that began at most a
  /// second outside a listed day, counts toward the day whose list had it last: so each listed row is in the figures of
  /// a day, and a row that two days list is in the figures of only one.
  ///
  /// The period of a sync or a backfill is not evidence against a day that is already known; for a recording without a
  /// start, the last moment of the period is a first estimate.
  fileprivate func markListed(
    _ ids: [RecordingID], isWanted: Bool, in period: Period, of source: SourceID, for reason: DiscoveryReason
  ) throws(TapedeckError) {
    guard !ids.isEmpty else { return }
    let last = max(period.start, period.end + .milliseconds(-1))
    // The last moment of a period is a millisecond before its end.
    let (before, after) = (listTolerance + .milliseconds(1), listTolerance)
    let counted: SQL =
      reason.listsDays
      ? """
      CASE WHEN started_at >= \(period.start + listTolerance * -1) AND started_at < \(period.start) THEN \(period.start)
        WHEN started_at >= \(period.end) AND started_at <= \(period.end + listTolerance) THEN \(last)
        WHEN started_at IS NOT NULL THEN started_at
        WHEN counted_at >= \(period.start) AND counted_at < \(period.end) THEN counted_at
        ELSE \(period.start) END
      """
      : """
      CASE WHEN started_at IS NULL THEN coalesce(counted_at, \(last))
        WHEN counted_at >= started_at - \(before.milliseconds) AND counted_at <= started_at + \(after.milliseconds)
          THEN counted_at
        ELSE started_at END
      """
    try execute(
      """
      UPDATE recording SET listed_at = tapedeck_now_ms(), wanted = \(isWanted), counted_at = \(counted)
      WHERE source = \(source) AND platform_id IN \(SQL.list(ids))
      """)
  }

  /// Creates jobs for recordings without one, restarts ended ones, and resumes those that wait for clearance.
  ///
  /// - Parameter failed: the recordings whose failed job is restarted.
  /// - Returns: the number of jobs created, restarted or resumed.
  fileprivate func queue(
    _ ids: [RecordingID], restarting failed: [RecordingID], of source: SourceID, for reason: DiscoveryReason
  ) throws(TapedeckError) -> Int {
    guard !ids.isEmpty else { return 0 }
    var backfill: String?
    if case .backfill(let id, _, _) = reason { backfill = id }
    var queued = 0
    for id in ids {
      let isNew = try insertJob(
        of: RecordingKey(source: source, id: id), clearance: .restricted, by: reason.name, priority: reason.priority,
        backfill: backfill)
      if isNew { queued += 1 }
    }
    // Archived, but the rows of its files were lost; or failed for a reason that may have passed.
    let ended: SQL =
      failed.isEmpty
      ? "run_state = \(literal: RunState.done)"
      : "(run_state = \(literal: RunState.done) OR run_state = \(literal: RunState.failed) AND platform_id IN \(SQL.list(failed)))"
    let again = try rows(
      """
      UPDATE job SET \(restartColumns(.queued, clearance: .restricted, by: reason.name)),
        priority = \(reason.priority), backfill = \(backfill)
      WHERE kind = 'ingest' AND source = \(source) AND platform_id IN \(SQL.list(ids))
        AND \(ended)
      RETURNING id
      """)
    var restarted: [Int64] = []
    for row in again { restarted.append(try row.int("id")) }
    try removeParts(ofJobs: restarted)
    let waiting = try rows(
      """
      UPDATE job SET clearance = \(Privacy.restricted), run_state = \(RunState.idle), due_at = tapedeck_now_ms()
      WHERE kind = 'ingest' AND source = \(source) AND platform_id IN \(SQL.list(ids)) AND run_state = \(literal: RunState.waiting)
        AND due_at IS NULL
      RETURNING id
      """)
    try execute(
      """
      UPDATE job SET clearance = \(Privacy.restricted)
      WHERE kind = 'ingest' AND source = \(source) AND platform_id IN \(SQL.list(ids))
        AND run_state IN \(literals: RunState.unfinished) AND clearance = \(Privacy.standard)
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
    try insert(
      LogEntry(
        at: try now(), action: .ingest, outcome: .allowed, actor: nil, count: Int64(count),
        details: [
          "by": reason.name, "from": period.start.iso8601, "source": source.rawValue, "to": period.end.iso8601,
        ]))
  }
}
