package import Model

/// The names of agents that recordings have had. A filter matches any part of a name, and the recordings are then found
/// by whole names through an index. There are far fewer names than recordings, so every name is compared.
enum AgentNames {
  /// With more names than this, recordings are read in order of time: that many names soon fill a page.
  static let maximumCount = 200

  static func schema(_ dialect: Dialect) -> [SQL] {
    [
      """
      CREATE TABLE agent_name (
        name \(dialect.text) PRIMARY KEY,
        -- The words of the name from `SearchWords`, separated by spaces.
        words \(dialect.text) NOT NULL
      )
      """,
      "CREATE INDEX agent_name_by_words ON agent_name (words, name)",
      // For suggestions. An expression, because lists need the order of time and must not use this index.
      """
      CREATE INDEX recording_by_suggestion ON recording ((agent_name || ''), privacy, source)
      WHERE tombstoned_at IS NULL
      """,
    ]
  }

  /// The condition that a row `n` of `agent_name` is the text, or has each word of the text as part of a word.
  static func match(_ text: String) -> SQL {
    // Words consist of letters and digits, so none contains a wildcard of LIKE.
    let words = SearchWords.words(of: text).prefix(16)
    guard !words.isEmpty else { return "n.name = \(text)" }
    return SQL.any(["n.name = \(text)", SQL.all(words.map { "n.words LIKE \("%\($0)%")" })])
  }
}

extension Catalog {
  /// The names of agents, in alphabetical order, that a list can be filtered by: those of recordings whose facts are
  /// visible. An identity that sees only some agents or teams gets none.
  package func agentNames(visibleTo visibility: Visibility, limit: Int) async throws(TapedeckError) -> [String] {
    guard visibility.agents == nil, visibility.teams == nil else { return [] }
    let conditions =
      ["r.agent_name || '' = n.name || ''", "r.tombstoned_at IS NULL"] + visibility.conditions(showing: .facts)
    // Both sides are expressions, because SQLite does not compare the index of an expression with a column of type
    // TEXT. OFFSET keeps PostgreSQL from joining the tables, for which it may read all recordings.
    return try await database.read { db in
      try db.rows(
        """
        SELECT n.name FROM agent_name n
        WHERE EXISTS (SELECT 1 FROM recording r WHERE \(SQL.all(conditions)) LIMIT 1 OFFSET 0)
        ORDER BY n.words, n.name LIMIT \(limit)
        """
      ).map { try $0.text("name") }
    }
  }
}

extension Connection {
  func insertAgentName(_ name: String) throws(TapedeckError) {
    let words = SearchWords.words(of: name).joined(separator: " ")
    try execute(
      "INSERT INTO agent_name (name, words) VALUES (\(name), \(words)) ON CONFLICT (name) DO NOTHING")
  }

  /// The names that match a filter; nil when there are more than `AgentNames.maximumCount`.
  func agentNames(matching text: String) throws(TapedeckError) -> [String]? {
    let limit = AgentNames.maximumCount + 1
    let names = try rows("SELECT n.name FROM agent_name n WHERE \(AgentNames.match(text)) LIMIT \(limit)")
      .map { row throws(TapedeckError) in try row.text("name") }
    return names.count < limit ? names : nil
  }
}
