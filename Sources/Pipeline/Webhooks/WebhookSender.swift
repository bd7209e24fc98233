package import Catalog
package import Logging
import Metrics
package import Model
import ServiceLifecycle
package import Webhooks

/// Sends what is in the outbox, on the published schedule, until the receiver accepts it.
///
/// A receiver that is down or slow delays no recording: messages wait in the catalog. One that answers 410 is not
/// asked again before the next start; its messages stay.
package struct WebhookSender: Service {
  private let catalog: Catalog
  private let delivery: WebhookDelivery
  private let endpoint: WebhookEndpoint
  private let system: SystemServices
  private let logger: Logger
  /// Messages on their way at a time.
  private let parallel = 4
  /// How long messages are left to a node that gives no sign of life; longer than an attempt and its time-out take.
  private let lease: Duration = .seconds(30)
  /// How long to wait until the catalog is tried again.
  private let patience: Duration = .seconds(1)
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
      let (wakes, bell) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
      // Before the first look at the outbox, so that a message that comes right after it is heard.
      let changes = catalog.changes()
      await withTaskGroup(of: Void.self) { group in
        group.addTask {
          for await change in changes where change == .webhookDue { bell.yield() }
        }
        group.addTask { await send(whenever: wakes, bell: bell) }
        // Whichever ends first: the catalog was closed, or the receiver is gone for good.
        await group.next()
        group.cancelAll()
      }
    }
    // A service that returns takes the whole program down.
    try? await gracefulShutdown()
  }

  private func send(whenever wakes: AsyncStream<Void>, bell: AsyncStream<Void>.Continuation) async {
    bell.yield()
    var alarm: Task<Void, Never>?
    defer { alarm?.cancel() }
    for await _ in wakes {
      alarm?.cancel()
      var pause: Duration = .seconds(60)
      do throws(TapedeckError) {
        // A read first, so that an idle sender costs no write.
        while let next = try await catalog.nextMessageDue(), next <= system.now(), !Task.isCancelled {
          let due = try await catalog.claimMessages(limit: parallel, lease: lease)
          // Others have them.
          if due.isEmpty { break }
          guard await sendAll(due) else {
            logger.error(
              "the webhook's receiver answered 410 and is not asked again before the next start; no message is dropped")
            return
          }
        }
        if let next = try await catalog.nextMessageDue() {
          pause = min(pause, max(.milliseconds(100), next - system.now()))
        }
        failures.worked()
      } catch {
        failures.failed(error)
        pause = patience
      }
      // Unstructured, so that one alarm replaces the other; it ends by itself, and holds nothing.
      alarm = Task { [pause] in
        if (try? await system.sleep(pause)) != nil { bell.yield() }
      }
    }
  }

  /// - Returns: false when the receiver is gone for good.
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
      // If that fails, it is due again when its lease is over.
      try? await catalog.release(message)
      return true
    case .delivered(let code): status = code
    case .gone:
      status = 410
      reason = "the receiver is gone"
      next = now + .seconds(3600)
    case .failed(let after, let words):
      reason = words
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
          "next": "\(next?.iso8601 ?? "never: the schedule is over")",
        ])
    }
    await note(message, status: status, reason: reason, next: next)
    if case .gone = outcome { return false }
    return true
  }

  /// Writes down how an attempt ended, however long the catalog is away: meanwhile the message would be sent again and
  /// again. A process that ends before sends it once more; receivers tell repeats by their id.
  private func note(_ message: OutboxMessage, status: Int?, reason: String?, next: Instant?) async {
    while true {
      do throws(TapedeckError) {
        return try await catalog.recordDelivery(
          of: message.id, status: status, error: reason, delivered: reason == nil, next: next)
      } catch { failures.failed(error) }
      do { try await system.sleep(patience) } catch { return }
    }
  }
}
