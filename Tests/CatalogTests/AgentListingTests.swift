import Catalog
import Model
import TestKit
import Testing

/// Lists that are filtered by an agent, and the suggested names.
@Suite(.serialized) struct AgentListingTests {
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
      try await test.observe(name) {
        $0.agentID = id
        $0.agentName = agent
        $0.startTime = test.clock.now + .seconds(index)
      }
    }
    for (text, expected) in Self.agentSearches {
      #expect(try await test.list { $0.agent = text } == expected, "\(text)")
      // The same rule where rows are found by their words.
      for (name, _, _) in agents {
        let both = try await test.list {
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
      try await test.observe("call-\(number)") {
        $0.agentID = "ag-\(number)"
        $0.agentName = "Agent\(number) Lindström"
        $0.startTime = test.clock.now + .seconds(number * 7919 % names)
      }
    }
    let all = try await test.list()
    var filter = RecordingFilter()
    filter.agent = "lindstrom"
    var (found, cursor): ([String], ListCursor?) = ([], nil)
    repeat {
      let page = try await test.catalog.recordings(
        matching: filter, visibleTo: .everything, after: cursor, limit: 30)
      found += page.names
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
      try await test.observe(name) {
        $0.agentName = agent
        $0.privacy = privacy
      }
    }
    try await test.observe("without")
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
    #expect(try await test.list(visibleTo: agent) { $0.agent = "secret" } == [])
    #expect(try await test.list(visibleTo: agent) { $0.agent = "ert" } == ["d"])
  }
}
