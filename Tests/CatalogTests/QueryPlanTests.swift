import Catalog
import Model
import TestKit
import Testing

/// Frequent statements use an index and sort nothing that an index has in order.
@Suite struct QueryPlanTests {
  private func plans(
    with job: String? = nil, _ body: (Catalog) async throws -> Void
  ) async throws -> [String] {
    let test = try await TestCatalog(.sqlite)
    if let job { try await test.request(job) }
    var facts = test.facts("call-1")
    facts.agentName = "Anna Weber"
    try await test.catalog.observe(facts, of: try key("call-1"))
    return try await test.database.plans { try await body(test.catalog) }
  }

  /// The plans that find the IDs of each page, without the plan that reads the rows and jobs of the page.
  private func listPlans(
    after cursor: ListCursor? = nil, visibleTo visibility: Visibility = .everything,
    _ change: (inout RecordingFilter) -> Void = { _ in }
  ) async throws -> [[String]] {
    var filter = RecordingFilter()
    change(&filter)
    let plan = try await plans { [filter] catalog in
      _ = try await catalog.recordings(matching: filter, visibleTo: visibility, after: cursor, limit: 51)
    }
    #expect(plan.contains { $0.hasPrefix("SEARCH j USING INDEX sqlite_autoindex_job_1") })
    return plan.split { $0 == "MATERIALIZE page" || $0 == "CO-ROUTINE page" }.map { lines in
      Array(lines.prefix { $0 != "SCAN page" })
    }
  }

  private func expectIndexes(_ claim: [String]) {
    let jobs = claim.filter { $0.contains(" job ") }
    #expect(jobs.contains("SEARCH job USING INDEX job_by_turn (queue=? AND priority=? AND due_at<?)"), "\(jobs)")
    #expect(
      jobs.contains("SEARCH job USING INDEX job_by_requester (queue=? AND priority=? AND requested_by=? AND due_at<?)"),
      "\(jobs)")
    #expect(
      jobs.allSatisfy {
        $0.contains("INDEX job_by_requester (queue=? AND priority=?") || $0.contains("INDEX job_by_state")
          || $0.contains("INDEX job_by_turn (") || $0.contains("INTEGER PRIMARY KEY (rowid=?)")
      }, "\(jobs)")
  }

  @Test(arguments: JobQueue.allCases)
  func `a claim and the next due time read the queue's part of an index, in order`(queue: JobQueue) async throws {
    let claim = try await plans(with: "due") {
      _ = try await $0.claimJobs(in: queue, lease: .seconds(30), limit: 1).first
    }
    expectIndexes(claim)
    let next = try await plans { _ = try await $0.nextDue(in: queue) }
    #expect(
      next.filter { $0.contains(" job ") }
        == Array(repeating: "SEARCH job USING INDEX job_by_turn (queue=? AND priority=?)", count: 2))
  }

  @Test func `the count of open jobs reads one requester's part of an index`() async throws {
    let key = RecordingKey(source: .default, id: try #require(RecordingID("call-1")))
    let jobs = try await plans { _ = try await $0.openJobs(of: "tok_1", before: key, limit: 10) }
      .filter { $0.contains(" job ") }
    #expect(
      jobs.allSatisfy {
        $0.contains("INDEX sqlite_autoindex_job_1") || $0.contains("INDEX job_by_state")
          || $0.contains("INDEX job_by_requester (queue=? AND priority=? AND requested_by=?)")
      }, "\(jobs)")
    #expect(jobs.count == 6)
  }

  @Test(arguments: JobQueue.allCases)
  func `those for some sources do too`(queue: JobQueue) async throws {
    let sources = [SourceID.default, SourceID("eu")!]
    let claim = try await plans(with: "due") {
      _ = try await $0.claimJobs(in: queue, of: sources, lease: .seconds(30), limit: 1).first
    }
    expectIndexes(claim)
    let next = try await plans { _ = try await $0.nextDue(in: queue, of: sources) }
    #expect(
      next.filter { $0.contains(" job ") }
        == Array(repeating: "SEARCH job USING INDEX job_by_turn (queue=? AND priority=?)", count: 2))
  }

  @Test func `the first page reads the index of start times from its end`() async throws {
    #expect(try await listPlans() == [["SCAN r USING INDEX recording_by_start"]])
  }

  @Test func `a later page continues in the index after the earlier one`() async throws {
    let plans = try await listPlans(after: ListCursor(at: Instant(milliseconds: 5), id: 5))
    #expect(plans == [["SEARCH r USING INDEX recording_by_start (called_at<?)"]])
  }

  @Test func `a period is a range of the index`() async throws {
    let plans = try await listPlans {
      $0.from = Instant(milliseconds: 1)
      $0.to = Instant(milliseconds: 2)
    }
    #expect(plans == [["SEARCH r USING INDEX recording_by_start (called_at>? AND called_at<?)"]])
  }

  @Test func `the calls of an agent are found by id and by name, in order`() async throws {
    #expect(
      try await listPlans { $0.agent = "web" } == [
        ["SCAN n"],
        ["SEARCH r USING INDEX recording_by_agent (agent_id=?)"],
        ["SEARCH r USING INDEX recording_by_agent_name (agent_name=?)"],
      ])
  }

  @Test(arguments: [nil, [SourceID.default]])
  func `suggested names are read in order, and each is looked up by its privacy`(sources: [SourceID]?) async throws {
    func plan(_ privacy: Privacy) async throws -> [String] {
      var visibility = Visibility.everything
      visibility.factsPrivacy = privacy
      visibility.sources = sources.map { Set($0) }
      return try await plans { [visibility] in _ = try await $0.agentNames(visibleTo: visibility, limit: 300) }
    }
    let bySource = sources == nil ? "" : " AND source=?"
    #expect(
      try await plan(.standard) == [
        "SCAN n USING COVERING INDEX agent_name_by_words", "CORRELATED SCALAR SUBQUERY 1",
        "SEARCH r USING INDEX recording_by_suggestion (<expr>=? AND privacy=?\(bySource))",
      ])
    #expect(
      try await plan(.restricted) == [
        "SCAN n USING COVERING INDEX agent_name_by_words", "CORRELATED SCALAR SUBQUERY 1",
        "SEARCH r USING INDEX recording_by_suggestion (<expr>=?)",
      ])
  }

  @Test func `filters by privacy, status or both use one index`() async throws {
    let search = ["SEARCH r USING INDEX recording_by_status (privacy=? AND listed_status=?)"]
    let both = try await listPlans {
      $0.privacy = .restricted
      $0.status = .failed
    }
    #expect(both == [search])
    #expect(try await listPlans { $0.status = .failed } == [search, search])
    #expect(try await listPlans { $0.privacy = .standard } == [search, search, search, search])
    let agent = Identity(kind: .token, id: "x", name: "X", role: .agent).visibility
    #expect(try await listPlans(visibleTo: agent) { $0.from = Instant(milliseconds: 1) }.count == 4)
    #expect(try await listPlans(visibleTo: agent) == [["SCAN r USING INDEX recording_by_start"]])
  }

  @Test(arguments: [true, false])
  func `a text search uses the index of words and the index of ids`(showsAddresses: Bool) async throws {
    let test = try await TestCatalog(.sqlite)
    try await test.archiveRecording("anna")
    let plan = try await test.database.plans {
      var filter = RecordingFilter()
      filter.text = "anna"
      var visibility = Visibility.everything
      visibility.showsAddresses = showsAddresses
      _ = try await test.catalog.recordings(matching: filter, visibleTo: visibility, after: nil, limit: 51)
    }
    #expect(plan.count { $0.hasPrefix("SCAN recording_text VIRTUAL TABLE INDEX") } == 3)
    #expect(plan.contains { $0.hasPrefix("SEARCH r USING INDEX sqlite_autoindex_recording_1 (platform_id=?") })
    #expect(!plan.contains { $0.hasPrefix("SCAN r ") && !$0.contains("recording_by_start") })
  }

  @Test func `queries by key use an index`() async throws {
    let key = try key("eu~call-1")
    let found = try await plans { catalog in
      _ = try await catalog.recording(key)
      _ = try await catalog.archived(key)
      _ = try await catalog.job(of: key)
      _ = try await catalog.job(5)
      _ = try await catalog.steps(of: 5)
      _ = try await catalog.object(.mp3, TestCatalog.hash("ab"))
      _ = try await catalog.hasObject(TestCatalog.object("ab", .mp3))
      _ = try await catalog.dueRemovals(limit: 5)
      _ = try await catalog.beginRemoval(TestCatalog.object("ab", .mp3))
      try await catalog.endRemoval(TestCatalog.object("ab", .mp3))
      _ = try await catalog.account(named: "anna")
      _ = try await catalog.identity(ofTokenSHA256: [1])
      _ = try await catalog.session(secretSHA256: [1], idle: .seconds(1))
      try await catalog.touchSessions([[1]])
      try await catalog.recordTokenUse(["tok_1": Instant(milliseconds: 1)])
    }
    #expect(found.count >= 12)
    #expect(!found.contains { $0.hasPrefix("SCAN") }, "\(found)")
  }

  @Test func `heartbeats and recovery do not read ended jobs`() async throws {
    let reclaim = try await plans { try await $0.reclaimJobs(everyLease: false) }
    #expect(reclaim == ["SEARCH job USING INDEX job_by_state_and_number (run_state=?)"])
    let heartbeat = try await plans {
      try await $0.heartbeat([JobLease(jobID: 1, fence: 1)], lease: .seconds(1))
    }
    #expect(heartbeat == ["SEARCH job USING INTEGER PRIMARY KEY (rowid=?)"])
    let unfinished = try await plans { _ = try await $0.unfinishedJobs() }
    #expect(unfinished == ["SEARCH job USING COVERING INDEX job_by_state_and_number (run_state=?)"])
  }

  @Test func `lists of jobs read an index from its end`() async throws {
    func plan(_ change: (inout JobFilter) -> Void) async throws -> [String] {
      var filter = JobFilter()
      change(&filter)
      return try await plans { [filter] in
        _ = try await $0.jobs(matching: filter, visibleTo: .everything, before: 1000, limit: 50)
      }
      .filter { !$0.hasPrefix("SEARCH r ") }
    }
    let all = try await plan { _ in }
    #expect(all == ["SEARCH j USING INTEGER PRIMARY KEY (rowid<?)"])
    #expect(
      try await plan { $0.state = .failed } == ["SEARCH j USING INDEX job_by_state_and_number (run_state=? AND id<?)"])
  }

  @Test func `the outbox and metrics read indexes`() async throws {
    let due = try await plans { _ = try await $0.claimMessages(limit: 8, lease: .seconds(30)) }
    #expect(
      due.contains("SEARCH webhook_message USING COVERING INDEX webhook_message_by_state (state=? AND due_at<?)"))
    #expect(!due.contains { $0.hasPrefix("SCAN") })
    let next = try await plans { _ = try await $0.nextMessageDue() }
    #expect(next == ["SEARCH webhook_message USING COVERING INDEX webhook_message_by_state (state=?)"])
    let messages = try await plans { _ = try await $0.messageCounts() }
    #expect(messages == ["SCAN webhook_message USING COVERING INDEX webhook_message_by_state"])
    let jobs = try await plans { _ = try await $0.jobCounts() }
    #expect(jobs.first == "SCAN job USING COVERING INDEX job_by_state")
  }

  @Test func `the log is read from its end, and by recording and actor through their indexes`() async throws {
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
  }

  @Test func `the entries of a name are found through the index of actors, and no list of entries is scanned`()
    async throws
  {
    let test = try await TestCatalog(.sqlite)
    // Not an account, so that its name is only in the log.
    let anna = Identity(kind: .account, id: "acc_1", name: "anna", role: .agent)
    try await test.catalog.log([test.entry(.view, by: anna)])
    var filter = LogFilter()
    filter.who = "anna"
    #expect(try await test.catalog.logEntries(matching: filter, before: 1000, limit: 50).count == 1)
    let plan = try await test.database.plans { [filter] in
      _ = try await test.catalog.logEntries(matching: filter, before: 1000, limit: 50)
    }
    #expect(plan.contains("SEARCH e USING INDEX log_entry_by_actor (actor_id=? AND id<?)"))
    let scanned = ["SCAN e", "SCAN l", "SCAN d", "SCAN log_entry", "SCAN log_detail"]
    #expect(!plan.contains { line in scanned.contains { line == $0 || line.hasPrefix("\($0) ") } }, "\(plan)")
  }
}
