import Foundation
package import Model

extension Catalog {
  /// The preferences of an identity, without the time zone of a browser; empty when it never changed any, or when they
  /// cannot be read.
  package func preferences(of actorID: String) async throws(TapedeckError) -> Preferences {
    try await database.read { db in try db.preferences(of: actorID) }
  }

  /// Changes the preferences that are not nil, and keeps the others, in one transaction.
  ///
  /// - Parameter hash: the session that the time zone of the browser belongs to; without one it is not kept.
  package func changePreferences(
    of actorID: String, to change: Preferences, sessionSHA256 hash: [UInt8]? = nil
  ) async throws(TapedeckError) {
    try await database.write { db in
      if let hash, let zone = change.browserTimeZone {
        try db.execute("UPDATE session SET browser_zone = \(zone) WHERE secret_sha256 = \(hash)")
      }
      let known = try db.preferences(of: actorID)
      var all = known.applying(change)
      all.browserTimeZone = nil
      guard all != known else { return }
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
