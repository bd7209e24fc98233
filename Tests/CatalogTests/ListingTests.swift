import Catalog
import Model
import TestKit
import Testing

@Suite(.serialized) struct ListingTests {
  private func names(_ rows: [ListedRecording]) -> [String] { rows.map { $0.recording.key.description } }

  private func list(
    _ test: TestCatalog, visibleTo visibility: Visibility = .everything,
    _ change: (inout RecordingFilter) -> Void = { _ in }
  ) async throws -> [String] {
    var filter = RecordingFilter()
    change(&filter)
    return names(
      try await test.catalog.recordings(matching: filter, visibleTo: visibility, after: nil, limit: 100))
  }

  private func observe(
    _ test: TestCatalog, _ name: String, _ change: (inout PlatformRecording) -> Void = { _ in }
  ) async throws {
    let key = try key(name)
    var facts = test.facts(key.id.rawValue)
    change(&facts)
    try await test.catalog.observe(facts, of: key)
  }

  // MARK: Order and pages

  @Test(arguments: DatabaseKind.allCases)
  func `the newest call comes first, and a call without a start time is sorted by when it was first seen`(
    kind: DatabaseKind
  )
    async throws
  {
    let test = try await TestCatalog(kind)
    let now = test.clock.now
    try await observe(test, "old") { $0.startTime = now + .seconds(-3600) }
    try await observe(test, "seen")
    try await observe(test, "future") { $0.startTime = now + .seconds(60) }
    try await observe(test, "before 1970") { $0.startTime = Instant(milliseconds: -1) }
    #expect(try await list(test) == ["future", "seen", "old", "before 1970"])
  }

  @Test(arguments: DatabaseKind.allCases, [1, 2, 3, 7, 30, 100])
  func `pages have no gaps and no repeats, however many calls began at the same time`(
    kind: DatabaseKind, limit: Int
  ) async throws {
    let test = try await TestCatalog(kind)
    for number in 0..<30 {
      // Five start times, so that some are equal; some calls have none.
      try await observe(test, "call-\(number)") {
        $0.startTime = number % 6 == 5 ? nil : test.clock.now + .seconds(-(number % 6))
      }
    }
    let all = try await list(test)
    #expect(Set(all).count == 30)
    var paged: [String] = []
    var cursor: ListCursor?
    repeat {
      let page = try await test.catalog.recordings(
        matching: RecordingFilter(), visibleTo: .everything, after: cursor, limit: limit)
      #expect(page.count <= limit)
      paged += names(page)
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
      try await observe(test, "call-\(number)") {
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
      try await observe(test, name) {
        $0.agentID = agent
        $0.agentName = "Name of \(agent)"
        $0.direction = direction
        $0.privacy = privacy
        $0.startTime = now + .seconds(offset)
      }
    }
    #expect(try await list(test) == ["eu~c", "eu~a", "b", "a"])
    #expect(try await list(test) { $0.source = .default } == ["b", "a"])
    #expect(try await list(test) { $0.agent = "ag-2" } == ["eu~c", "eu~a"])
    #expect(try await list(test) { $0.agent = "Name of ag-1" } == ["b", "a"])
    #expect(try await list(test) { $0.agent = "of ag" } == ["eu~c", "eu~a", "b", "a"])
    #expect(try await list(test) { $0.agent = "ag-3" } == [])
    #expect(try await list(test) { $0.direction = .outbound } == ["eu~a", "a"])
    #expect(try await list(test) { $0.privacy = .restricted } == ["eu~a", "b"])
    #expect(try await list(test) { $0.from = now + .seconds(10) } == ["eu~c", "eu~a", "b"])
    #expect(try await list(test) { $0.to = now + .seconds(10) } == ["a"])
    #expect(
      try await list(test) {
        $0.from = now + .seconds(10)
        $0.to = now + .seconds(30)
      } == ["eu~a", "b"])
    #expect(
      try await list(test) {
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
    try await test.request("failed")
    let failed = try await test.claim().lease
    try await test.catalog.release(failed, .fail(TapedeckError(.neverAvailable, "It never came.")))
    for name in ["idle", "leased", "waiting"] { try await test.request(name) }
    let order = ["idle", "leased", "waiting"]
    var leases: [String: JobLease] = [:]
    for name in order { leases[name] = try await test.claim().lease }
    try await test.catalog.release(try #require(leases["waiting"]), .awaitClearance)
    try await test.catalog.release(try #require(leases["idle"]), .interrupted)
    for name in order + ["failed", "known"] { try await observe(test, name) }

    let all = try await test.catalog.recordings(
      matching: RecordingFilter(), visibleTo: .everything, after: nil, limit: 100)
    let statuses = Dictionary(uniqueKeysWithValues: all.map { ($0.recording.key.description, $0.status) })
    #expect(
      statuses == [
        "ready": .ready, "failed": .failed, "idle": .underway, "leased": .underway, "waiting": .underway,
        "known": .known,
      ])
    #expect(all.first { $0.status == .failed }?.failureMessage == "It never came.")
    for status in ListedStatus.allCases {
      let expected = Set(statuses.filter { $0.value == status }.keys)
      #expect(try await Set(list(test) { $0.status = status }) == expected)
    }
  }

  @Test(arguments: DatabaseKind.allCases)
  func `a removed recording is not listed`(kind: DatabaseKind) async throws {
    let test = try await TestCatalog(kind)
    try await observe(test, "gone")
    try await observe(test, "here")
    _ = try await test.database.write { db in
      try db.execute("UPDATE recording SET tombstoned_at = 1 WHERE platform_id = 'gone'")
    }
    #expect(try await list(test) == ["here"])
  }

  // MARK: Agents

  static let agentSearches: [(text: String, expected: [String])] = [
    ("chlo", ["chloe"]), ("CHLOÉ", ["chloe"]), ("loé", ["chloe"]), ("marchand", ["chloe"]),
    ("Marchand Chloe", ["chloe"]),
    ("zoe", ["zoe"]), ("Zoë Müller", ["zoe"]), ("zoe mull", ["zoe"]), ("ller", ["zoe", "anna"]), ("müller", ["zoe"]),
    ("o'neill", ["anna"]), ("neil", ["anna"]), ("miller, anna", ["anna"]), ("1009", ["chloe"]), ("100", []),
    ("***", ["stars"]), ("*", []), ("%", []), ("_", []), ("chloe müller", []), ("日本", ["tokyo"]), ("本", ["tokyo"]),
    ("a b", []), ("+1", []),
  ]

  @Test(arguments: DatabaseKind.allCases)
  func `an agent is found by any part of the name, and by the exact id`(kind: DatabaseKind) async throws {
    let test = try await TestCatalog(kind)
    let agents = [
      ("chloe", "1009", "Chloé Marchand"), ("anna", "1010", "Anna O'Neill-Miller"), ("zoe", "1011", "Zoë Müller"),
      ("stars", "1012", "***"), ("tokyo", "1013", "日本 支店"),
    ]
    for (index, (name, id, agent)) in agents.enumerated() {
      try await observe(test, name) {
        $0.agentID = id
        $0.agentName = agent
        $0.startTime = test.clock.now + .seconds(index)
      }
    }
    for (text, expected) in Self.agentSearches {
      #expect(try await list(test) { $0.agent = text } == expected, "\(text)")
      // The same rule where rows are found by their words.
      for (name, _, _) in agents {
        let both = try await list(test) {
          $0.agent = text
          $0.text = name
        }
        #expect(both == expected.filter { $0 == name }, "\(text) and \(name)")
      }
    }
  }

  @Test(arguments: DatabaseKind.allCases, [150, 400])
  func `a part of many names fills pages in order`(kind: DatabaseKind, names: Int) async throws {
    let test = try await TestCatalog(kind)
    for number in 0..<names {
      try await observe(test, "call-\(number)") {
        $0.agentID = "ag-\(number)"
        $0.agentName = "Agent\(number) Lindström"
        $0.startTime = test.clock.now + .seconds(number * 7919 % names)
      }
    }
    let all = try await list(test)
    var filter = RecordingFilter()
    filter.agent = "lindstrom"
    var (found, cursor): ([String], ListCursor?) = ([], nil)
    repeat {
      let page = try await test.catalog.recordings(
        matching: filter, visibleTo: .everything, after: cursor, limit: 30)
      found += self.names(page)
      cursor = page.last.map { ListCursor(at: $0.recording.sortedAt, id: $0.recording.id) }
    } while cursor != nil && found.count <= names
    #expect(Array(found.prefix(100)) == all)
    #expect(Set(found).count == names && found.count == names)
  }

  @Test(arguments: DatabaseKind.allCases)
  func `names of agents are suggested when a visible recording has them`(kind: DatabaseKind) async throws {
    let test = try await TestCatalog(kind)
    for (name, agent, privacy) in [
      ("a", "Zoë Müller", Privacy.standard), ("b", "anna", .standard), ("c", "Secret Agent", .restricted),
      ("d", "Berta", .standard), ("e", "Berta", .restricted),
    ] {
      try await observe(test, name) {
        $0.agentName = agent
        $0.privacy = privacy
      }
    }
    try await observe(test, "without")
    #expect(
      try await test.catalog.agentNames(visibleTo: .everything, limit: 10)
        == ["anna", "Berta", "Secret Agent", "Zoë Müller"])
    var agent = Visibility.everything
    agent.factsPrivacy = .standard
    #expect(try await test.catalog.agentNames(visibleTo: agent, limit: 10) == ["anna", "Berta", "Zoë Müller"])
    #expect(try await test.catalog.agentNames(visibleTo: agent, limit: 2) == ["anna", "Berta"])
    agent.agents = ["7"]
    #expect(try await test.catalog.agentNames(visibleTo: agent, limit: 10) == [])
    // A filter finds nothing of a recording whose facts are hidden.
    agent.agents = nil
    #expect(try await list(test, visibleTo: agent) { $0.agent = "secret" } == [])
    #expect(try await list(test, visibleTo: agent) { $0.agent = "ert" } == ["d"])
  }

  // MARK: Phone numbers

  static let numberSearches: [(text: String, all: [String], masked: [String])] = [
    ("0195", ["a", "order"], ["order"]), ("2125550195", ["a"], []), ("(212) 555-0195", ["a"], []),
    ("+1 (212) 555-0195", ["a"], []), ("1-212-555-0195", ["a"], []), ("212.555.0195", ["a"], []),
    ("555 0195", ["a"], []), ("5550", ["a", "b"], []), ("12125550195", ["a"], []), ("550", ["a", "b"], []),
    ("212 555 0100", [], []), ("79460958", ["c"], []), ("20 7946 0958", ["c"], []), ("٢١٢ ٥٥٥ ٠١٩٥", ["a"], []),
    ("7777", [], []), ("chloe 0195", ["a"], []), ("chloe (212) 555-0195", ["a"], []), ("anna 0195", [], []),
    ("112", ["d"], []), ("4711", ["sip"], []), ("95", ["c"], []),
  ]

  @Test(arguments: DatabaseKind.allCases)
  func `a phone number is found by any of its digits, by those who may see it`(kind: DatabaseKind) async throws {
    let test = try await TestCatalog(kind)
    let calls: [(name: String, agent: String, from: String, to: String)] = [
      ("a", "Chloé Marchand", "+12125550195", "+18005550100"), ("b", "Anna", "+17185550142", "+18005550100"),
      ("c", "Anna", "020 7946-0958", "x"), ("d", "Anna", "112", "y"), ("sip", "Anna", "sip:204711@pbx", "z"),
    ]
    for (index, call) in calls.enumerated() {
      try await observe(test, call.name) {
        $0.agentName = call.agent
        $0.fromAddress = call.from
        $0.toAddress = call.to
        $0.startTime = test.clock.now + .seconds(-index)
      }
    }
    try await observe(test, "order") {
      $0.contactID = "0195-7"
      $0.startTime = test.clock.now + .seconds(-10)
    }
    var masked = Visibility.everything
    masked.showsAddresses = false
    for (text, all, open) in Self.numberSearches {
      #expect(try await list(test) { $0.text = text } == all, "\(text)")
      #expect(try await list(test, visibleTo: masked) { $0.text = text } == open, "\(text)")
    }
  }

  // MARK: Full text

  static let searches = [
    ("anna", ["a"]), ("ANNA", ["a"]), ("ann", ["a"]), ("nna", []), ("o'neill", ["a"]), ("neill anna", ["a"]),
    ("anna winter", ["a"]), ("anna summer", []), ("jose", ["b"]), ("José", ["b"]), ("müller", ["b"]),
    ("4420", ["a"]), ("+44 20", ["a"]), ("44 21", []), ("+4420", ["a"]), ("call/1", ["call/1"]), ("call 1", ["call/1"]),
    ("winter", ["a"]),
    ("日本", ["b"]), ("strasse", ["b"]), ("STRAẞE", ["b"]), ("e\u{301}mile", ["b"]), ("ОЛЬГА", ["b"]), ("οδος", ["b"]),
    ("anna@example", ["a"]), ("example.com", ["a"]), ("@", []), ("7946-0958", ["a"]), ("79460958", ["a"]),
    ("a1b2", ["a"]),
  ]

  @Test(arguments: DatabaseKind.allCases, searches)
  func `whole words and beginnings of words are found`(
    kind: DatabaseKind, search: (text: String, expected: [String])
  ) async throws {
    let test = try await TestCatalog(kind)
    try await observe(test, "a") {
      $0.agentName = "Anna O'Neill"
      $0.fromAddress = "+4420123"
      $0.campaignName = "Winter 2026"
      $0.toAddress = "020 7946-0958"
      $0.contactID = "A1B2-c3"
      $0.disposition = "mail to anna@example.com"
    }
    try await observe(test, "b") {
      $0.agentName = "José Müller"
      $0.skillName = "日本 support"
      $0.campaignName = "Straße Émile Ольга ΟΔΟΣ"
    }
    try await observe(test, "call%2F1")
    #expect(try await list(test) { $0.text = search.text } == search.expected)
  }

  @Test(arguments: DatabaseKind.allCases)
  func `an exact id is found, also with special characters`(kind: DatabaseKind) async throws {
    let test = try await TestCatalog(kind)
    for id in ["***", "\"", "NEAR(a b)", "a:b", "-", "!!! ~"] {
      let key = RecordingKey(id: try #require(RecordingID(id)))
      try await test.catalog.observe(test.facts(id), of: key)
      #expect(try await list(test) { $0.text = id }.contains(id))
    }
    #expect(try await list(test) { $0.text = "*" } == [])
  }

  static let hostile = [
    "", " ", "\"", "\"\"", "\"unbalanced", "'", "*", "**", "a*", "^a", "-a", "+", "a AND", "AND", "OR", "NOT", "NOT a",
    "NEAR", "NEAR(", "NEAR(a b, 5)", "a NEAR b", "agent_name:anna", "agent_name : *", "{agent_name}: a", "(a", "a)",
    "a OR (", "\\", "%", "_", "?", "$1", "; DROP TABLE recording; --", "\u{0}", "a\u{0}b", "\u{200B}", "🎧", "①",
    "\u{301}", "\u{1E900}", "ª", String(repeating: "a ", count: 5000), String(repeating: "word", count: 10_000),
    String(repeating: "\"", count: 999),
  ]

  @Test(arguments: DatabaseKind.allCases, hostile)
  func `query syntax has no meaning in a search text`(kind: DatabaseKind, text: String) async throws {
    let test = try await TestCatalog(kind)
    try await observe(test, "bystander") { $0.agentName = "zzz" }
    #expect(try await list(test) { $0.text = text } == [])
  }

  @Test(arguments: DatabaseKind.allCases)
  func `only the first sixteen words are searched`(kind: DatabaseKind) async throws {
    let test = try await TestCatalog(kind)
    try await observe(test, "a") { $0.agentName = "Anna" }
    let sixteen = String(repeating: "anna ", count: 16)
    #expect(try await list(test) { $0.text = sixteen + "absent" } == ["a"])
    #expect(try await list(test) { $0.text = sixteen.dropLast(5) + "absent" } == [])
  }

  @Test(arguments: DatabaseKind.allCases)
  func `an identity that may not see addresses finds nothing by them`(kind: DatabaseKind) async throws {
    let test = try await TestCatalog(kind)
    try await observe(test, "address") {
      $0.agentName = "Anna O'Neill"
      $0.fromAddress = "+44 20-7946"
      $0.toAddress = "berta@example.com"
    }
    try await observe(test, "both") {
      $0.agentName = "Berta"
      $0.contactID = "7946-x"
      $0.fromAddress = "+44 7946"
    }
    func found(_ text: String, _ showsAddresses: Bool) async throws -> Set<String> {
      var visibility = Visibility.everything
      visibility.showsAddresses = showsAddresses
      return Set(try await list(test, visibleTo: visibility) { $0.text = text })
    }
    for (text, all, open): (String, Set<String>, Set<String>) in [
      ("7946", ["address", "both"], ["both"]), ("794", ["address", "both"], ["both"]),
      ("44", ["address", "both"], []), ("berta", ["address", "both"], ["both"]), ("example.com", ["address"], []),
      ("anna", ["address"], ["address"]), ("anna 7946", ["address"], []), ("ann neil", ["address"], ["address"]),
      ("berta 7946", ["address", "both"], ["both"]), ("berta 44", ["address", "both"], []), ("nna", [], []),
      ("x", ["both"], ["both"]), ("address", ["address"], ["address"]),
    ] {
      #expect(try await found(text, true) == all, "\(text)")
      #expect(try await found(text, false) == open, "\(text)")
    }
    // An exact id, and wildcards of LIKE.
    #expect(try await found("both", false) == ["both"])
    for text in ["%", "_", "7_46"] { #expect(try await found(text, false).isEmpty, "\(text)") }
  }

  @Test(arguments: DatabaseKind.allCases)
  func `later pages and older weeks do not match addresses either`(kind: DatabaseKind) async throws {
    let test = try await TestCatalog(kind)
    // One call per hour for 25 weeks. The number is a word of each address, or of every seventh name.
    let now = test.clock.now
    _ = try await test.database.write { db in
      try db.execute(
        """
        INSERT INTO recording (source, platform_id, platform_status, privacy, started_at, metadata, first_seen_at, words,
          address_words)
        WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 4200)
        SELECT 'default', 'call-' || i, 'available', 'standard', \(now) - i * CAST(3600000 AS BIGINT), '{}', 0,
          'call ' || i || CASE WHEN i % 7 = 0 THEN ' 7946' ELSE '' END,
          CASE WHEN i % 7 = 0 THEN '' ELSE '7946' END FROM n
        """)
    }
    func pages(of limit: Int, _ showsAddresses: Bool) async throws -> [String] {
      var filter = RecordingFilter()
      filter.text = "7946"
      var visibility = Visibility.everything
      visibility.showsAddresses = showsAddresses
      var (found, cursor): ([String], ListCursor?) = ([], nil)
      repeat {
        let page = try await test.catalog.recordings(
          matching: filter, visibleTo: visibility, after: cursor, limit: limit)
        found += names(page)
        cursor = page.last.map { ListCursor(at: $0.recording.sortedAt, id: $0.recording.id) }
      } while cursor != nil && found.count <= 4200
      return found
    }
    #expect(try await pages(of: 700, true) == (1...4200).map { "call-\($0)" })
    let open = (1...600).map { "call-\($0 * 7)" }
    for limit in [50, 5000] { #expect(try await pages(of: limit, false) == open) }
  }

  @Test(arguments: DatabaseKind.allCases)
  func `the longest stored texts can be searched`(kind: DatabaseKind) async throws {
    let test = try await TestCatalog(kind)
    // Random letters, since PostgreSQL compresses repetitive text.
    let letters = Array("abcdefghijklmnopqrstuvwxyz0123456789")
    let longest = String((0..<PlatformRecording.maxTextLength).map { _ in letters.randomElement()! })
    try await observe(test, "long") {
      $0.agentID = longest
      $0.agentName = longest
      $0.skillName = longest
      $0.fromAddress = longest
      $0.disposition = longest
    }
    #expect(try await list(test) { $0.agent = longest } == ["long"])
    #expect(try await list(test) { $0.text = longest } == ["long"])
  }

  @Test(arguments: DatabaseKind.allCases)
  func `a recording is found by its current facts only`(kind: DatabaseKind) async throws {
    let test = try await TestCatalog(kind)
    try await observe(test, "a") { $0.agentName = "Anna" }
    try await observe(test, "a") { $0.agentName = "Berta" }
    #expect(try await list(test) { $0.text = "anna" } == [])
    #expect(try await list(test) { $0.text = "berta" } == ["a"])
    if kind == .sqlite {
      _ = try await test.database.write { db in
        try db.execute("INSERT INTO recording_text (recording_text, rank) VALUES ('integrity-check', 1)")
      }
    }
  }
}
