package import Model

/// The actors that the text of a filter stands for.
struct NamedActors {
  var ids: [String] = []
  /// Whether the server itself is one of them.
  var hasServer = false

  var isKnown: Bool { hasServer || !ids.isEmpty }
}

extension Catalog {
  /// Whether a text is the ID or the name of an actor: of an account, of a token, or of one in the access log.
  package func hasActor(named text: String) async throws(TapedeckError) -> Bool {
    try await database.read { db in try db.actors(named: text).isKnown }
  }
}

/// What requests name an account, a token or another actor by.
enum ActorColumn {
  case id, name

  var sql: SQL {
    switch self {
    case .id: "id"
    case .name: "name"
    }
  }
}

extension Connection {
  /// What is found by an ID, or else what is found by a name.
  func foundByIDOrName<T>(_ find: (ActorColumn) throws(TapedeckError) -> T?) throws(TapedeckError) -> T? {
    // An ID before a name, so that no name can take the place of another actor's ID.
    for column in [ActorColumn.id, .name] {
      if let found = try find(column) { return found }
    }
    return nil
  }

  /// The actor with an ID, or else all with a name, or with one that looks the same (`nameKey`), or whose latest entry
  /// shows it: a removed account has no other record of its name.
  func actors(named text: String) throws(TapedeckError) -> NamedActors {
    try foundByIDOrName { column throws(TapedeckError) in
      switch column {
      case .id: try hasActor(withID: text) ? NamedActors(ids: [text]) : nil
      case .name: try actors(withName: text)
      }
    } ?? NamedActors()
  }

  private func hasActor(withID id: String) throws(TapedeckError) -> Bool {
    try row(
      """
      SELECT 1 AS found WHERE EXISTS (SELECT 1 FROM log_entry WHERE actor_id = \(id))
        OR EXISTS (SELECT 1 FROM account WHERE id = \(id)) OR EXISTS (SELECT 1 FROM api_token WHERE id = \(id))
      """) != nil
  }

  private func actors(withName name: String) throws(TapedeckError) -> NamedActors {
    let key = nameKey(name)
    func matches(_ actor: Identity) -> Bool { nameKey(actor.name) == key || nameKey(actor.shownName) == key }
    var actors: [Identity] = []
    for row in try rows("SELECT * FROM account") { actors.append(try row.identity(.account)) }
    for row in try rows("SELECT * FROM api_token") { actors.append(try row.identity(.token)) }
    actors += try otherActors()
    return NamedActors(ids: actors.filter(matches).map(\.id), hasServer: key == nameKey(LogFilter.ownName))
  }

  /// The actors of the access log that are neither accounts nor tokens, as their latest entries show them.
  private func otherActors() throws(TapedeckError) -> [Identity] {
    var actors: [Identity] = []
    // Steps from one ID to the next in the index instead of reading every entry.
    let latest = try rows(
      """
      WITH RECURSIVE actor (id) AS (
        SELECT min(actor_id) FROM log_entry
        UNION ALL
        SELECT (SELECT min(e.actor_id) FROM log_entry e WHERE e.actor_id > actor.id) FROM actor
        WHERE actor.id IS NOT NULL)
      SELECT e.canonical, d.detail FROM actor
      JOIN log_entry e ON e.id = (SELECT max(l.id) FROM log_entry l WHERE l.actor_id = actor.id)
      LEFT JOIN log_detail d ON d.entry_id = e.id
      WHERE NOT EXISTS (SELECT 1 FROM account a WHERE a.id = actor.id)
        AND NOT EXISTS (SELECT 1 FROM api_token t WHERE t.id = actor.id)
      """)
    for row in latest {
      let entry = try StoredEntry.entry(canonical: row.bytes("canonical"), detail: row.optionalText("detail"))
      if let actor = entry.actor { actors.append(actor) }
    }
    return actors
  }
}
