package import Model

extension Catalog {
  /// The time of the database, by which everything is dated that happens to a recording.
  package func now() async throws(TapedeckError) -> Instant {
    try await database.read { db in try db.now() }
  }

  /// The time of the database, and what an uptime was at that moment as far as one can tell: in the middle between question
  /// and answer. That the question may have to wait for a connection makes no difference.
  package func now(
    by uptime: @escaping @Sendable () -> Duration
  ) async throws(TapedeckError) -> (now: Instant, uptime: Duration) {
    try await database.read { db in
      let asked = uptime()
      let now = try db.now()
      return (now, asked + (uptime() - asked) / 2)
    }
  }
}

extension Connection {
  func now() throws(TapedeckError) -> Instant {
    guard let row = try row("SELECT tapedeck_now_ms() AS now") else { throw TapedeckError(.catalogFailed) }
    return try row.instant("now")
  }
}
