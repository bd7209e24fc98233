/// One message of the outbox. Every attempt to deliver it sends the same id and the same bytes.
package struct WebhookMessage: Sendable, Equatable {
  /// What the receiver tells repeated deliveries by; without a dot.
  package var id: String
  /// JSON.
  package var body: [UInt8]

  package init(id: String, body: [UInt8]) {
    self.id = id
    self.body = body
  }
}

/// What came of one attempt to deliver a message.
package enum WebhookOutcome: Sendable, Equatable {
  /// The receiver took it.
  case delivered(status: Int)
  /// It is to be sent again, not sooner than `after` if that is given. The reason is for people who run the system.
  case failed(after: Duration?, reason: String)
  /// The receiver is gone for good (410): nothing is to be sent there any more.
  case gone
  /// We were stopped before the answer came. It may have been taken; this does not count as an attempt.
  case interrupted
}
