package import Model

extension Catalog {
  /// Makes a change, and logs a denial when its actor may no longer make it.
  ///
  /// - Parameter entry: of the change.
  package func loggingDenial<T>(
    of entry: LogEntry, _ change: () async throws(TapedeckError) -> T
  ) async throws(TapedeckError) -> T {
    do throws(TapedeckError) { return try await change() } catch {
      if error.code == .unauthenticated || error.code == .insufficientPermissions {
        var denial = entry
        // The change may have waited long after its request.
        denial.at = try await now()
        denial.outcome = .denied
        denial.code = error.code
        try await log([denial])
      }
      throw error
    }
  }

  /// Checks that the actor of a change may still make it, before anything about its subject is disclosed; logs a
  /// denial otherwise.
  ///
  /// - Throws: `unauthenticated`, `insufficientPermissions`.
  package func requireActor(of entry: LogEntry, may permission: Permission) async throws(TapedeckError) {
    try await loggingDenial(of: entry) { () throws(TapedeckError) in
      try await database.read { db in try db.require(permission, of: entry.actor) }
    }
  }
}

extension Connection {
  /// Refuses a change if, after the request was admitted, its actor was disabled, removed, revoked or signed out, or lost
  /// the permission. The change may have waited for the hash of a password or for a long file.
  ///
  /// - Parameter actor: nil for the server itself, which is allowed to make every change.
  /// - Throws: `unauthenticated`, `insufficientPermissions`.
  func require(_ permission: Permission, of actor: Identity?) throws(TapedeckError) {
    guard let actor else { return }
    let found: Row?
    switch actor.kind {
    case .operator: return
    case .account: found = try row("SELECT * FROM account WHERE id = \(actor.id) AND disabled_at IS NULL")
    case .token: found = try row("SELECT * FROM api_token WHERE id = \(actor.id) AND revoked_at IS NULL")
    }
    guard let found, try actor.session.map(isLive) ?? true else { throw TapedeckError(.unauthenticated) }
    guard Policy.allows(permission, for: try found.identity(actor.kind)) else {
      throw TapedeckError.missing(permission)
    }
  }

  private func isLive(session: [UInt8]) throws(TapedeckError) -> Bool {
    try row(
      "SELECT 1 AS found FROM session WHERE secret_sha256 = \(session) AND expires_at > tapedeck_now_ms()") != nil
  }
}
