package import Catalog
package import Logging
import Metrics
package import Model
import ServiceLifecycle
package import Webhooks

/// Sends the messages of the outbox on the documented schedule until the receiver accepts them.
///
/// A receiver that is unavailable or slow delays no recording: messages wait in the catalog. After a response 410
/// nothing is sent before the next start; the messages are kept.
package struct WebhookSender: Service {
  private let catalog: Catalog
  private let delivery: WebhookDelivery
  private let endpoint: WebhookEndpoint
  private let system: SystemServices
  private let logger: Logger
  /// The number of concurrent deliveries.
  private let parallel = 4
  /// How long a message stays claimed by a node; longer than an attempt and its time-out take.
  private let lease: Duration = .seconds(30)
  /// The pause before a failed catalog call is retried.
  private let catalogRetryInterval: Duration = .seconds(1)
  private let failures: FailureReporter

  package init(
    catalog: Catalog, delivery: WebhookDelivery, endpoint: WebhookEndpoint, system: SystemServices, logger: Logger
  ) {
    self.catalog = catalog
    self.delivery = delivery
    self.endpoint = endpoint
    self.system = system
    self.logger = logger
    failures = FailureReporter(of: "sending webhooks from the catalog", logger: logger)
  }

  package func run() async throws {
    await cancelWhenGracefulShutdown {
      let wakeUps = WakeUps(system: system)
      // Before the first query, so that no change after it is missed.
      let changes = catalog.changes()
      await withTaskGroup(of: Void.self) { group in
        group.addTask {
          for await change in changes where change == .webhookDue { wakeUps.notify() }
        }
        group.addTask { await wakeUps.run { await sendDue() } }
        // The first to end: the catalog was closed, or the receiver answered 410.
        await group.next()
        group.cancelAll()
      }
    }
    // A service that returns ends the whole program.
    try? await gracefulShutdown()
  }

  private func sendDue() async -> WakeUps.Next {
    do throws(TapedeckError) {
      // A read first, so that an idle sender writes nothing.
      while let next = try await catalog.nextMessageDue(), next <= system.now(), !Task.isCancelled {
        let due = try await catalog.claimMessages(limit: parallel, lease: lease)
        // Other nodes have claimed them.
        if due.isEmpty { break }
        guard await sendAll(due) else {
          logger.error(
            "the webhook receiver answered 410; nothing is sent until Tapedeck is restarted, and messages are kept")
          return .never
        }
      }
      var pause: Duration = .seconds(60)
      if let next = try await catalog.nextMessageDue() {
        pause = min(pause, max(.milliseconds(100), next - system.now()))
      }
      failures.worked()
      return .within(pause)
    } catch {
      failures.failed(error)
      return .within(catalogRetryInterval)
    }
  }

  /// - Returns: false when the receiver answered 410.
  private func sendAll(_ messages: [OutboxMessage]) async -> Bool {
    await withTaskGroup(of: Bool.self) { group in
      for message in messages { group.addTask { await send(message) } }
      return await group.reduce(true) { $0 && $1 }
    }
  }

  private func send(_ message: OutboxMessage) async -> Bool {
    let outcome = await delivery.deliver(WebhookMessage(id: message.id, body: Array(message.body.utf8)), to: endpoint)
    let now = system.now()
    var status: Int?
    var reason: String?
    var next: Instant?
    switch outcome {
    case .interrupted:
      // If this fails, the message is due again when its claim expires.
      try? await catalog.release(message)
      return true
    case .delivered(let code): status = code
    case .gone:
      status = 410
      reason = "the receiver is gone"
      next = now + .seconds(3600)
    case .failed(let after, let cause):
      reason = cause
      next =
        WebhookSchedule.delay(attempt: message.attempts + 1, random: system.random(), notBefore: after)
        .map { now + $0 }
    }
    let isDelivered = reason == nil
    Counter(
      label: "tapedeck_webhook_deliveries_total", dimensions: [("outcome", isDelivered ? "delivered" : "failed")]
    ).increment()
    if !isDelivered {
      logger.warning(
        "a webhook message was not accepted",
        metadata: [
          "message": "\(message.id)", "attempt": "\(message.attempts + 1)", "reason": "\(reason ?? "")",
          "next": "\(next?.iso8601 ?? "never: this was the last retry")",
        ])
    }
    await note(message, status: status, reason: reason, next: next)
    if case .gone = outcome { return false }
    return true
  }

  /// Records the outcome of an attempt, and retries until the catalog is available: otherwise the message would be sent
  /// repeatedly. If the process ends before that, the message is sent once more with the same ID.
  private func note(_ message: OutboxMessage, status: Int?, reason: String?, next: Instant?) async {
    while true {
      do throws(TapedeckError) {
        return try await catalog.recordDelivery(
          of: message.id, status: status, error: reason, delivered: reason == nil, next: next)
      } catch { failures.failed(error) }
      do { try await system.sleep(catalogRetryInterval) } catch { return }
    }
  }
}
