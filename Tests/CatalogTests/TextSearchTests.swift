import Catalog
import Model
import TestKit
import Testing

/// Words in the search text.
@Suite(.serialized) struct TextSearchTests {
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
    try await test.observe("a") {
      $0.agentName = "Anna O'Neill"
      $0.fromAddress = "+4420123"
      $0.campaignName = "Winter 2026"
      $0.toAddress = "020 7946-0958"
      $0.contactID = "A1B2-c3"
      $0.disposition = "mail to anna@example.com"
    }
    try await test.observe("b") {
      $0.agentName = "José Müller"
      $0.skillName = "日本 support"
      $0.campaignName = "Straße Émile Ольга ΟΔΟΣ"
    }
    try await test.observe("call%2F1")
    #expect(try await test.list { $0.text = search.text } == search.expected)
  }

  @Test(arguments: DatabaseKind.allCases)
  func `an exact id is found, also with special characters`(kind: DatabaseKind) async throws {
    let test = try await TestCatalog(kind)
    for id in ["***", "\"", "NEAR(a b)", "a:b", "-", "!!! ~"] {
      let key = RecordingKey(id: try #require(RecordingID(id)))
      try await test.catalog.observe(test.facts(id), of: key)
      #expect(try await test.list { $0.text = id }.contains(id))
    }
    #expect(try await test.list { $0.text = "*" } == [])
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
    try await test.observe("bystander") { $0.agentName = "zzz" }
    #expect(try await test.list { $0.text = text } == [])
  }

  @Test(arguments: DatabaseKind.allCases)
  func `only the first sixteen words are searched`(kind: DatabaseKind) async throws {
    let test = try await TestCatalog(kind)
    try await test.observe("a") { $0.agentName = "Anna" }
    let sixteen = String(repeating: "anna ", count: 16)
    #expect(try await test.list { $0.text = sixteen + "absent" } == ["a"])
    #expect(try await test.list { $0.text = sixteen.dropLast(5) + "absent" } == [])
  }

  @Test(arguments: DatabaseKind.allCases)
  func `an identity that may not see addresses finds nothing by them`(kind: DatabaseKind) async throws {
    let test = try await TestCatalog(kind)
    try await test.observe("address") {
      $0.agentName = "Anna O'Neill"
      $0.fromAddress = "+44 20-7946"
      $0.toAddress = "berta@example.com"
    }
    try await test.observe("both") {
      $0.agentName = "Berta"
      $0.contactID = "7946-x"
      $0.fromAddress = "+44 7946"
    }
    func found(_ text: String, _ showsAddresses: Bool) async throws -> Set<String> {
      var visibility = Visibility.everything
      visibility.showsAddresses = showsAddresses
      return Set(try await test.list(visibleTo: visibility) { $0.text = text })
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
    // An exact ID, and wildcards of LIKE.
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
        found += page.names
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
    try await test.observe("long") {
      $0.agentID = longest
      $0.agentName = longest
      $0.skillName = longest
      $0.fromAddress = longest
      $0.disposition = longest
    }
    #expect(try await test.list { $0.agent = longest } == ["long"])
    #expect(try await test.list { $0.text = longest } == ["long"])
  }

  @Test(arguments: DatabaseKind.allCases)
  func `a recording is found by its current facts only`(kind: DatabaseKind) async throws {
    let test = try await TestCatalog(kind)
    try await test.observe("a") { $0.agentName = "Anna" }
    try await test.observe("a") { $0.agentName = "Berta" }
    #expect(try await test.list { $0.text = "anna" } == [])
    #expect(try await test.list { $0.text = "berta" } == ["a"])
    if kind == .sqlite {
      _ = try await test.database.write { db in
        try db.execute("INSERT INTO recording_text (recording_text, rank) VALUES ('integrity-check', 1)")
      }
    }
  }
}
