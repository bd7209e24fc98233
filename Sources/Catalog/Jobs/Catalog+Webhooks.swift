package import Model

/// A webhook message in the outbox.
package struct OutboxMessage: Sendable {
  package var id: String
  package var body: String
  package var createdAt: Instant
  package var attempts: Int
}

extension Catalog {
  /// Claims due messages, oldest first. They become due again when `lease` expires, so no other node claims them
  /// before.
  ///
  /// If the outcome of an attempt was not recorded by then, the message is sent again; the receiver recognizes its ID.
  package func claimMessages(limit: Int, lease: Duration) async throws(TapedeckError) -> [OutboxMessage] {
    try await database.write(.readCommitted) { db in
      try db.rows(
        """
        UPDATE webhook_message SET due_at = tapedeck_now_ms() + \(lease.milliseconds)
        WHERE id IN (
          SELECT id FROM webhook_message WHERE state = 'pending' AND due_at <= tapedeck_now_ms()
          ORDER BY due_at, id LIMIT \(limit) \(db.dialect.forUpdateSkippingLocked))
        RETURNING *
        """
      ).map { row in
        OutboxMessage(
          id: try row.text("id"), body: try row.text("body"), createdAt: try row.instant("created_at"),
          attempts: Int(try row.int("attempts")))
      }.sorted { ($0.createdAt, $0.id) < ($1.createdAt, $1.id) }
    }
  }

  /// Releases a claimed message that was not sent; it is due at once.
  package func release(_ message: OutboxMessage) async throws(TapedeckError) {
    try await database.write(.readCommitted) { db in
      try db.execute(
        "UPDATE webhook_message SET due_at = tapedeck_now_ms() WHERE id = \(message.id) AND state = 'pending'")
      db.notify(.webhookDue)
    }
  }

  package func nextMessageDue() async throws(TapedeckError) -> Instant? {
    try await database.read { db in
      try db.row("SELECT min(due_at) AS due_at FROM webhook_message WHERE state = 'pending'")?
        .optionalInstant("due_at")
    }
  }

  /// Records the outcome of one attempt. Does nothing if another node has already ended the message.
  ///
  /// - Parameters:
  ///   - delivered: whether the receiver accepted the message.
  ///   - next: when the next attempt is due; nil ends the message, as dead if it was not delivered.
  package func recordDelivery(
    of id: String, status: Int?, error: String?, delivered: Bool, next: Instant?
  ) async throws(TapedeckError) {
    try await database.write(.readCommitted) { db in
      let state = delivered ? "delivered" : next == nil ? "dead" : "pending"
      // The text is the receiver's, which may repeat the secret that it was sent.
      let error = error.map(Redactor.shared.redact)
      try db.execute(
        """
        UPDATE webhook_message SET attempts = attempts + 1, last_status = \(status), last_error = \(error),
          state = \(state), due_at = coalesce(\(next), due_at),
          ended_at = CASE \(state) WHEN 'pending' THEN NULL ELSE tapedeck_now_ms() END
        WHERE id = \(id) AND state = 'pending'
        """)
    }
  }

  /// The number of messages in each state: pending, delivered, dead.
  package func messageCounts() async throws(TapedeckError) -> [String: Int64] {
    try await database.read { db in
      var counts: [String: Int64] = [:]
      for row in try db.rows("SELECT state, count(*) AS count FROM webhook_message GROUP BY state") {
        counts[try row.text("state")] = try row.int("count")
      }
      return counts
    }
  }
}
