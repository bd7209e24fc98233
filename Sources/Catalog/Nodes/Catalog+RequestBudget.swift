import Foundation
package import Model

extension Catalog {
  /// Changes the request budget of a bucket of a source, by the time of the database. Concurrent changes wait for each
  /// other.
  ///
  /// A stored state that cannot be decoded, such as one of another version, is replaced by a new one.
  package func changeAllowance<T: Sendable>(
    of source: SourceID, _ bucket: RequestBucket = .all, limits: RequestLimits,
    _ body: @escaping @Sendable (inout RequestAllowance, _ now: Instant) -> T
  ) async throws(TapedeckError) -> T {
    try await database.write(.readCommitted) { db in
      // The first statement locks the row. The time is read after it, since the statement may have waited for the lock,
      // and an earlier time would set the state back.
      let row = try db.row(
        """
        INSERT INTO request_budget (source, bucket, state, changed_at)
        VALUES (\(source), \(bucket.rawValue), '', tapedeck_now_ms())
        ON CONFLICT (source, bucket) DO UPDATE SET changed_at = excluded.changed_at RETURNING state
        """)
      guard let row else { throw TapedeckError(.catalogFailed, detail: "the request budget's row vanished") }
      let now = try db.now()
      var allowance = allowance(from: try row.text("state"), limits: limits, now: now)
      let result = body(&allowance, now)
      try db.execute(
        """
        UPDATE request_budget SET state = \(try json(of: allowance))
        WHERE source = \(source) AND bucket = \(bucket.rawValue)
        """)
      return result
    }
  }
}

private func allowance(from json: String, limits: RequestLimits, now: Instant) -> RequestAllowance {
  guard var stored = try? JSONDecoder().decode(RequestAllowance.self, from: Data(json.utf8)) else {
    return RequestAllowance(limits: limits, now: now)
  }
  stored.limits = limits
  return stored
}

private func json(of allowance: RequestAllowance) throws(TapedeckError) -> String {
  do {
    return String(decoding: try JSONEncoder().encode(allowance), as: UTF8.self)
  } catch { throw TapedeckError(.catalogFailed, detail: "the request budget cannot be written", cause: error) }
}
