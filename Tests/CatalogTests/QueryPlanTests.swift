import Catalog
import Model
import TestKit
import Testing

/// Statements that must stay quick when there is a lot use an index, and sort nothing that an index has in order.
@Suite struct QueryPlanTests {
  private func plans(_ body: (Catalog) async throws -> Void) async throws -> [String] {
    let test = try await TestCatalog()
    return try await test.database.plans { try await body(test.catalog) }
  }

  /// A list's plan without the look-up of each row's job.
  private func listPlan(
    after cursor: ListCursor? = nil, _ change: (inout RecordingFilter) -> Void = { _ in }
  ) async throws -> [String] {
    var filter = RecordingFilter()
    change(&filter)
    let plan = try await plans { [filter] catalog in
      _ = try await catalog.recordings(matching: filter, after: cursor, limit: 51)
    }
    #expect(plan.contains { $0.hasPrefix("SEARCH j USING INDEX sqlite_autoindex_job_1") })
    return plan.filter { !$0.hasPrefix("SEARCH j ") }
  }

  @Test(arguments: Lane.allCases)
  func `a claim and the next due time come from the lane's own part of an index, in order`(lane: Lane) async throws {
    let claim = try await plans { _ = try await $0.claimJob(in: lane, lease: .seconds(30)) }
    #expect(
      claim == [
        "SEARCH job USING INTEGER PRIMARY KEY (rowid=?)", "SCALAR SUBQUERY 1",
        "SEARCH job USING INDEX job_by_turn (lane=? AND sort_at<?)",
      ])
    let next = try await plans { _ = try await $0.nextDue(in: lane) }
    #expect(next == ["SEARCH job USING INDEX job_by_turn (lane=?)"])
  }

  @Test func `the first page reads the index of starts from its end`() async throws {
    #expect(try await listPlan() == ["SCAN r USING INDEX recording_by_start"])
  }

  @Test func `a later page enters the index where the earlier one ended`() async throws {
    let plan = try await listPlan(after: ListCursor(at: Instant(milliseconds: 5), id: 5))
    #expect(plan == ["SEARCH r USING INDEX recording_by_start (<expr><?)"])
  }

  @Test func `a span of time is a span of the index`() async throws {
    let plan = try await listPlan {
      $0.from = Instant(milliseconds: 1)
      $0.to = Instant(milliseconds: 2)
    }
    #expect(plan == ["SEARCH r USING INDEX recording_by_start (<expr>>? AND <expr><?)"])
  }

  @Test func `the calls of an agent are found by id and by name`() async throws {
    let plan = try await listPlan { $0.agent = "ag-1" }
    #expect(plan.contains("SEARCH r USING INDEX recording_by_agent (agent_id=?)"))
    #expect(plan.contains("SEARCH r USING INDEX recording_by_agent_name (agent_name=?)"))
    #expect(!plan.contains { $0.hasPrefix("SCAN") })
  }

  @Test func `text is found through its index or the exact id`() async throws {
    let plan = try await listPlan { $0.text = "anna" }
    #expect(plan.contains { $0.hasPrefix("SCAN recording_text VIRTUAL TABLE INDEX") })
    #expect(plan.contains { $0.hasPrefix("SEARCH r USING INDEX sqlite_autoindex_recording_1 (platform_id=?") })
    #expect(!plan.contains { $0.hasPrefix("SCAN r ") })
  }

  @Test func `what is asked for by name is looked up`() async throws {
    let key = try key("eu~call-1")
    let found = try await plans { catalog in
      _ = try await catalog.recording(key)
      _ = try await catalog.archived(key)
      _ = try await catalog.job(of: key)
      _ = try await catalog.job(5)
      _ = try await catalog.steps(of: 5)
      _ = try await catalog.refers(toObject: "ab/x.mp3")
      _ = try await catalog.account(named: "anna")
      _ = try await catalog.identity(ofTokenSHA256: [1])
      _ = try await catalog.session(secretSHA256: [1], idle: .seconds(1))
      try await catalog.touchSessions([[1]])
      try await catalog.recordTokenUse(["tok_1": Instant(milliseconds: 1)])
      try await catalog.extendListening([1: (Instant(milliseconds: 1), 1, 1)])
    }
    #expect(found.count >= 12)
    #expect(!found.contains { $0.hasPrefix("SCAN") }, "\(found)")
  }

  @Test func `a worker's upkeep looks at no job that is at rest`() async throws {
    let reclaim = try await plans { try await $0.reclaimJobs(everyLease: false) }
    #expect(reclaim == ["SEARCH job USING INDEX job_by_state (run_state=?)"])
    let heartbeat = try await plans {
      try await $0.heartbeat([JobLease(jobID: 1, fence: 1)], lease: .seconds(1))
    }
    #expect(heartbeat == ["SEARCH job USING INTEGER PRIMARY KEY (rowid=?)"])
    let unfinished = try await plans { _ = try await $0.unfinishedJobs() }
    #expect(unfinished == ["SEARCH job USING COVERING INDEX job_by_state (run_state=?)"])
  }

  @Test func `the outbox and the numbers for operators come from indexes`() async throws {
    let due = try await plans { _ = try await $0.dueMessages(limit: 8) }
    #expect(due == ["SEARCH webhook_message USING INDEX webhook_message_by_state (state=? AND due_at<?)"])
    let next = try await plans { _ = try await $0.nextMessageDue() }
    #expect(next == ["SEARCH webhook_message USING COVERING INDEX webhook_message_by_state (state=?)"])
    let messages = try await plans { _ = try await $0.messageCounts() }
    #expect(messages == ["SCAN webhook_message USING COVERING INDEX webhook_message_by_state"])
    let jobs = try await plans { _ = try await $0.jobCounts() }
    #expect(jobs.first == "SCAN job USING COVERING INDEX job_by_state")
  }

  @Test func `the log is read from its end, by recording and by person through their indexes`() async throws {
    func plan(_ change: (inout LogFilter) -> Void) async throws -> [String] {
      var filter = LogFilter()
      change(&filter)
      return try await plans { [filter] catalog in
        _ = try await catalog.logEntries(matching: filter, before: 1000, limit: 50)
      }.filter { !$0.hasPrefix("SEARCH d ") }
    }
    let key = try key("eu~call-1")
    #expect(try await plan { _ in } == ["SEARCH e USING INTEGER PRIMARY KEY (rowid<?)"])
    #expect(
      try await plan { $0.recording = key } == [
        "SEARCH e USING INDEX log_entry_by_recording (source=? AND platform_id=? AND id<?)"
      ])
    #expect(
      try await plan { $0.who = "anna" }.contains("SEARCH e USING INDEX log_entry_by_actor (actor_id=? AND id<?)"))
  }
}
