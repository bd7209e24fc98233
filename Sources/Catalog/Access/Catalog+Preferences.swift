import Foundation
package import Model

extension Catalog {
  /// The preferences of an identity, without the time zone of a browser; empty when it never changed any, or when they
  /// cannot be read.
  package func preferences(of actorID: String) async throws(TapedeckError) -> Preferences {
    try await database.read { db in try db.preferences(of: actorID) }
  }

  /// Changes the preferences that are not nil, and keeps the others. The time zone of the browser is not kept: it belongs
  /// to a session.
  package func changePreferences(of actorID: String, to change: Preferences) async throws(TapedeckError) {
    try await database.write { db in
      var all = try db.preferences(of: actorID).applying(change)
      all.browserTimeZone = nil
      guard let json = try? JSONEncoder().encode(all) else { throw TapedeckError(.internalError) }
      try db.execute(
        """
        INSERT INTO preference (actor_id, value) VALUES (\(actorID), \(String(decoding: json, as: UTF8.self)))
        ON CONFLICT (actor_id) DO UPDATE SET value = excluded.value
        """)
    }
  }
}

extension Connection {
  fileprivate func preferences(of actorID: String) throws(TapedeckError) -> Preferences {
    guard let row = try row("SELECT value FROM preference WHERE actor_id = \(actorID)") else { return Preferences() }
    return (try? JSONDecoder().decode(Preferences.self, from: Data(try row.text("value").utf8))) ?? Preferences()
  }
}
