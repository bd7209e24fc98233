import Catalog
import Model
import TestKit
import Testing

/// The order, the pages and the filters of lists.
@Suite(.serialized) struct ListingTests {
  @Test(arguments: DatabaseKind.allCases)
  func `the newest call comes first, and a call without a start time is sorted by when it was first seen`(
    kind: DatabaseKind
  )
    async throws
  {
    let test = try await TestCatalog(kind)
    let now = test.clock.now
    try await test.observe("old") { $0.startTime = now + .seconds(-3600) }
    try await test.observe("seen")
    try await test.observe("future") { $0.startTime = now + .seconds(60) }
    try await test.observe("before 1970") { $0.startTime = Instant(milliseconds: -1) }
    #expect(try await test.list() == ["future", "seen", "old", "before 1970"])
  }

  @Test(arguments: DatabaseKind.allCases, [1, 2, 3, 7, 30, 100])
  func `pages have no gaps and no repeats, however many calls began at the same time`(
    kind: DatabaseKind, limit: Int
  ) async throws {
    let test = try await TestCatalog(kind)
    for number in 0..<30 {
      // Five start times, so that some are equal; some calls have none.
      try await test.observe("call-\(number)") {
        $0.startTime = number % 6 == 5 ? nil : test.clock.now + .seconds(-(number % 6))
      }
    }
    let all = try await test.list()
    #expect(Set(all).count == 30)
    var paged: [String] = []
    var cursor: ListCursor?
    repeat {
      let page = try await test.catalog.recordings(
        matching: RecordingFilter(), visibleTo: .everything, after: cursor, limit: limit)
      #expect(page.count <= limit)
      paged += page.names
      cursor = page.last.map { ListCursor(at: $0.recording.sortedAt, id: $0.recording.id) }
    } while cursor != nil && paged.count <= 30
    #expect(paged == all)
  }

  @Test(arguments: DatabaseKind.allCases)
  func `the neighbours of a recording are the rows above and below it in the same list`(
    kind: DatabaseKind
  ) async throws {
    let test = try await TestCatalog(kind)
    let start = test.clock.now
    for number in 0..<24 {
      // Two months, with equal start times, agents, and restricted calls in between.
      try await test.observe("call-\(number)") {
        $0.startTime = start + .seconds(-86_400 * 5 * (number / 2))
        $0.agentName = number % 3 == 0 ? "Anna Müller" : "Bert"
        $0.privacy = number % 5 == 4 ? .restricted : .standard
        $0.direction = number % 2 == 0 ? .outbound : .inbound
      }
    }
    var agent = Visibility.everything
    agent.factsPrivacy = .standard
    var filters = [RecordingFilter()]
    for change: (inout RecordingFilter) -> Void in [
      { $0.agent = "Anna Müller" }, { $0.text = "muller" }, { $0.text = "bert" }, { $0.direction = .inbound },
      { $0.status = .known }, { $0.privacy = .standard },
      {
        $0.from = start + .seconds(-86_400 * 40)
        $0.to = start + .seconds(-86_400 * 3)
        $0.text = "call"
      },
    ] {
      var filter = RecordingFilter()
      change(&filter)
      filters.append(filter)
    }
    for visibility in [Visibility.everything, agent] {
      for filter in filters {
        let all = try await test.catalog.recordings(matching: filter, visibleTo: visibility, after: nil, limit: 100)
        let open = all.filter { visibility.extent(of: $0.recording.facts, from: .default) == .facts }.map(\.recording)
        #expect(open.count > 2)
        for (index, row) in open.enumerated() {
          let (newer, older) = try await test.catalog.neighbours(
            of: ListCursor(at: row.sortedAt, id: row.id), matching: filter, visibleTo: visibility)
          let above = index > 0 ? open[index - 1].key : nil
          let below = index + 1 < open.count ? open[index + 1].key : nil
          #expect(newer == above, "\(filter)")
          #expect(older == below, "\(filter)")
        }
      }
    }
  }

  // MARK: Filters

  @Test(arguments: DatabaseKind.allCases)
  func `filters work alone and combined`(kind: DatabaseKind) async throws {
    let test = try await TestCatalog(kind)
    let now = test.clock.now
    for (name, agent, direction, privacy, offset) in [
      ("a", "ag-1", Direction.outbound, Privacy.standard, 0), ("b", "ag-1", .inbound, .restricted, 10),
      ("eu~a", "ag-2", .outbound, .restricted, 20), ("eu~c", "ag-2", .internal, .standard, 30),
    ] {
      try await test.observe(name) {
        $0.agentID = agent
        $0.agentName = "Name of \(agent)"
        $0.direction = direction
        $0.privacy = privacy
        $0.startTime = now + .seconds(offset)
      }
    }
    #expect(try await test.list() == ["eu~c", "eu~a", "b", "a"])
    #expect(try await test.list { $0.source = .default } == ["b", "a"])
    #expect(try await test.list { $0.agent = "ag-2" } == ["eu~c", "eu~a"])
    #expect(try await test.list { $0.agent = "Name of ag-1" } == ["b", "a"])
    #expect(try await test.list { $0.agent = "of ag" } == ["eu~c", "eu~a", "b", "a"])
    #expect(try await test.list { $0.agent = "ag-3" } == [])
    #expect(try await test.list { $0.direction = .outbound } == ["eu~a", "a"])
    #expect(try await test.list { $0.privacy = .restricted } == ["eu~a", "b"])
    #expect(try await test.list { $0.from = now + .seconds(10) } == ["eu~c", "eu~a", "b"])
    #expect(try await test.list { $0.to = now + .seconds(10) } == ["a"])
    #expect(
      try await test.list {
        $0.from = now + .seconds(10)
        $0.to = now + .seconds(30)
      } == ["eu~a", "b"])
    #expect(
      try await test.list {
        $0.source = .default
        $0.agent = "ag-1"
        $0.direction = .outbound
        $0.privacy = .standard
        $0.text = "ag-1"
        $0.from = now
        $0.to = now + .seconds(1)
        $0.status = .known
      } == ["a"])
    #expect(RecordingFilter().isEmpty)
  }

  @Test(arguments: DatabaseKind.allCases)
  func `lists show the status of each recording and can be filtered by it`(kind: DatabaseKind) async throws {
    let test = try await TestCatalog(kind)
    try await test.archiveRecording("ready")
    try await test.archiveRecording("hurt")
    _ = try await test.database.write { db in
      try db.execute("UPDATE recording SET damage = \(storedDamage) WHERE platform_id = 'hurt'")
    }
    try await test.request("failed")
    let failed = try await test.claim().lease
    try await test.catalog.release(failed, .fail(TapedeckError(.neverAvailable, "It never came.")))
    for name in ["idle", "leased", "waiting"] { try await test.request(name) }
    let order = ["idle", "leased", "waiting"]
    var leases: [String: JobLease] = [:]
    for name in order { leases[name] = try await test.claim().lease }
    try await test.catalog.release(try #require(leases["waiting"]), .awaitClearance)
    try await test.catalog.release(try #require(leases["idle"]), .interrupted)
    for name in order + ["failed", "known"] { try await test.observe(name) }

    let all = try await test.catalog.recordings(
      matching: RecordingFilter(), visibleTo: .everything, after: nil, limit: 100)
    let statuses = Dictionary(uniqueKeysWithValues: all.map { ($0.recording.key.description, $0.status) })
    #expect(
      statuses == [
        "ready": .ready, "failed": .failed, "idle": .underway, "leased": .underway, "waiting": .underway,
        "known": .known, "hurt": .damaged,
      ])
    #expect(all.first { $0.status == .failed }?.failureMessage == "It never came.")
    for status in ListedStatus.allCases {
      let expected = Set(statuses.filter { $0.value == status }.keys)
      #expect(try await Set(test.list { $0.status = status }) == expected)
    }
  }

  @Test(arguments: DatabaseKind.allCases)
  func `a removed recording is not listed`(kind: DatabaseKind) async throws {
    let test = try await TestCatalog(kind)
    try await test.observe("gone")
    try await test.observe("here")
    _ = try await test.database.write { db in
      try db.execute("UPDATE recording SET tombstoned_at = 1 WHERE platform_id = 'gone'")
    }
    #expect(try await test.list() == ["here"])
  }
}
