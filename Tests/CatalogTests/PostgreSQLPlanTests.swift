import Catalog
import Model
import TestKit
import Testing

/// Query plans of PostgreSQL with many rows and current statistics.
@Suite(.serialized) struct PostgreSQLPlanTests {
  let test: TestCatalog

  init() async throws {
    test = try await TestCatalog(.postgresql)
    _ = try await test.database.write { db in
      try db.execute(
        """
        INSERT INTO recording (source, platform_id, platform_status, privacy, started_at, agent_id, agent_name, metadata,
          first_seen_at, words, address_words, listed_status)
        SELECT 'default', 'call-' || i, 'available', CASE WHEN i % 50 = 0 THEN 'restricted' ELSE 'standard' END,
          1768478400000 - i * CAST(1800000 AS BIGINT), 'ag-' || i % 200, 'Agent ' || i % 200, repeat('x', 500), 0,
          'call ' || i || ' agent' || i % 20 || ' skill' || i % 9, '44' || i,
          CASE WHEN i % 100 = 0 THEN 'failed' ELSE 'ready' END
        FROM generate_series(1, 20000) i
        """)
      try db.execute(
        """
        INSERT INTO job (kind, source, platform_id, stage, run_state, clearance, requested_at, due_at)
        SELECT 'ingest', 'default', 'call-' || i, CASE WHEN i % 20 = 0 THEN 'queued' ELSE 'ready' END,
          CASE WHEN i % 20 = 0 THEN 'idle' ELSE 'done' END, 'standard', 0, i
        FROM generate_series(1, 20000) i
        """)
      try db.execute(
        """
        INSERT INTO log_entry (at, action, outcome, actor_id, source, platform_id, canonical)
        SELECT i, 'listen', 'allowed', 'acc_' || i % 300, 'default', 'call-' || i, '{}' FROM generate_series(1, 20000) i
        """)
      try db.execute(
        "INSERT INTO agent_name (name, words) SELECT 'Agent ' || i, 'agent ' || i FROM generate_series(0, 199) i")
      for table: SQL in ["agent_name", "recording", "job", "log_entry"] { try db.execute("ANALYZE \(table)") }
    }
  }

  private func plan(_ body: (Catalog) async throws -> Void) async throws -> String {
    let plan = try await test.database.plans { try await body(test.catalog) }.joined(separator: "\n")
    // There are few names of agents, and all of them are compared.
    #expect(!plan.replacing("Seq Scan on agent_name", with: "").contains("Seq Scan"))
    return plan
  }

  private func listPlan(
    after cursor: ListCursor? = nil, visibleTo visibility: Visibility = .everything,
    _ change: (inout RecordingFilter) -> Void = { _ in }
  ) async throws -> String {
    var filter = RecordingFilter()
    change(&filter)
    return try await plan { [filter] catalog in
      _ = try await catalog.recordings(matching: filter, visibleTo: visibility, after: cursor, limit: 51)
    }
  }

  @Test func `a claim reads the index of turns, in order`() async throws {
    let claim = try await plan { _ = try await $0.claimJobs(in: .polling, lease: .seconds(30), limit: 1).first }
    #expect(claim.contains("Index Scan using job_by_turn on job"))
    #expect(claim.contains("Index Cond: ((queue = 'polling'::text) AND (priority = '1'::bigint) AND (due_at <="))
    // Backfill and jobs without a requester; what is sorted is the requesters.
    let lines = claim.split(separator: "\n")
    #expect(lines.count { $0.contains("LockRows") } == 2)
    #expect(lines.count { $0.contains("Sort Key") } == 1)
  }

  @Test func `a claim for some sources does too`() async throws {
    let sources = [SourceID.default, SourceID("eu")!]
    let claim = try await plan {
      _ = try await $0.claimJobs(in: .polling, of: sources, lease: .seconds(30), limit: 1).first
    }
    #expect(claim.contains("Index Scan using job_by_turn on job"))
    #expect(claim.contains("Index Cond: ((queue = 'polling'::text) AND (priority = '1'::bigint) AND (due_at <="))
    #expect(!claim.contains("BitmapOr") && !claim.contains("job_kind_source_platform_id_key"))
    let next = try await plan { _ = try await $0.nextDue(in: .polling, of: sources) }
    #expect(next.contains("job_by_turn on job") && !next.contains("->  Sort"))
  }

  @Test func `first and later pages and periods read the index of start times`() async throws {
    #expect(try await listPlan().contains("Index Scan Backward using recording_by_start on recording"))
    let later = try await listPlan(after: ListCursor(at: Instant(milliseconds: 1_750_000_000_000), id: 5))
    #expect(later.contains("Index Scan Backward using recording_by_start on recording"))
    #expect(later.contains("Index Cond: ((called_at <="))
    let day = try await listPlan {
      $0.from = Instant(milliseconds: 1_750_000_000_000)
      $0.to = Instant(milliseconds: 1_750_086_400_000)
    }
    #expect(day.contains("recording_by_start"))
  }

  @Test func `filters by agent, privacy and status use their indexes`() async throws {
    let agent = try await listPlan { $0.agent = "agent 77" }
    #expect(agent.contains("recording_by_agent on"))
    #expect(agent.contains("recording_by_agent_name on"))
    let failed = try await listPlan {
      $0.privacy = .restricted
      $0.status = .failed
    }
    #expect(failed.contains("recording_by_status on"))
  }

  @Test(arguments: Privacy.allCases)
  func `suggested names are looked up by their privacy in an index`(privacy: Privacy) async throws {
    var visibility = Visibility.everything
    visibility.factsPrivacy = privacy
    let plan = try await plan { [visibility] in _ = try await $0.agentNames(visibleTo: visibility, limit: 300) }
    #expect(plan.contains("recording_by_suggestion on recording"))
    #expect(privacy == .restricted || plan.contains("(privacy = 'standard'::text)"))
    #expect(!plan.contains("Join"))
  }

  @Test(arguments: [true, false])
  func `a text search uses the index of words`(showsAddresses: Bool) async throws {
    var visibility = Visibility.everything
    visibility.showsAddresses = showsAddresses
    let words = try await listPlan(visibleTo: visibility) { $0.text = "agent7 skill3" }
    #expect(words.contains("Bitmap Index Scan on recording_by_words"))
    let number = try await listPlan(visibleTo: visibility) { $0.text = "17777" }
    #expect(number.contains("Bitmap Index Scan on recording_by_words"))
    #expect(!number.contains("Filter: (array_to_tsvector"))
  }

  @Test func `queries by key use an index`() async throws {
    let key = try key("call-77")
    let found = try await plan { catalog in
      _ = try await catalog.recording(key)
      _ = try await catalog.job(of: key)
      _ = try await catalog.job(5)
      try await catalog.heartbeat([JobLease(jobID: 1, fence: 1)], lease: .seconds(1))
      try await catalog.reclaimJobs(everyLease: false)
      var filter = LogFilter()
      // A recording without entries, since the inserted ones cannot be decoded.
      filter.recording = try CatalogTests.key("call-0")
      _ = try await catalog.logEntries(matching: filter, before: 10_000, limit: 50)
    }
    for index in [
      "recording_platform_id_source_key", "job_kind_source_platform_id_key", "job_pkey", "job_by_state_and_number",
      "log_entry_by_recording",
    ] {
      #expect(found.contains("\(index) on"), "\(index)")
    }
  }
}
