import AsyncHTTPClient
package import HTTPTransport
package import Model
import NIOCore
import NIOHTTP1

/// Sends messages of the outbox, one attempt at a time. Only a 2xx counts as accepted; redirects are failures.
package struct WebhookDelivery: Sendable {
  /// The number of bytes of an error response that are kept in the reason.
  private static let maxReasonBytes = 1024

  private let client: any HTTPSender
  private let system: SystemServices
  private let timeout: Duration
  private let userAgent: String

  /// `client` must not follow redirects. `timeout` applies to a complete attempt.
  package init(
    client: any HTTPSender, system: SystemServices, timeout: Duration = .seconds(10), userAgent: String = "Tapedeck"
  ) {
    self.client = client
    self.system = system
    self.timeout = timeout
    self.userAgent = userAgent
  }

  /// Makes one attempt. Never throws: every result is an outcome.
  package func deliver(_ message: WebhookMessage, to endpoint: WebhookEndpoint) async -> WebhookOutcome {
    let request = request(message, to: endpoint)
    // The client's own deadline ends with the headers of the response, but a receiver may delay its body.
    let first = await withTaskGroup(of: WebhookOutcome?.self) { group in
      group.addTask { await send(request, to: endpoint) }
      group.addTask {
        try? await system.sleep(timeout)
        return nil
      }
      defer { group.cancelAll() }
      return await group.next() ?? nil
    }
    if Task.isCancelled, first == nil { return .interrupted }
    return first ?? .failed(after: nil, reason: "no response within \(timeout)")
  }

  private func request(_ message: WebhookMessage, to endpoint: WebhookEndpoint) -> HTTPClientRequest {
    let timestamp = system.now().milliseconds / 1000
    var request = HTTPClientRequest(url: endpoint.url)
    request.method = .POST
    request.headers = [
      "Content-Type": "application/json",
      "User-Agent": userAgent,
      "webhook-id": message.id,
      "webhook-timestamp": "\(timestamp)",
      "webhook-signature": endpoint.signer.signature(id: message.id, timestamp: timestamp, body: message.body),
    ]
    request.body = .bytes(ByteBuffer(bytes: message.body))
    return request
  }

  private func send(_ request: HTTPClientRequest, to endpoint: WebhookEndpoint) async -> WebhookOutcome {
    do {
      let response = try await client.send(repeating: { request })
      switch response.status.code {
      case 200..<300: return .delivered(status: Int(response.status.code))
      case 410: return .gone
      default:
        let wait = response.headers.first(name: "Retry-After").flatMap {
          RetryAfter.delay(
            $0, answeredAt: response.headers.first(name: "Date"), now: system.now(), limit: .seconds(86_400))
        }
        return .failed(
          after: wait, reason: "status \(response.status.code)" + (await excerpt(of: response, from: endpoint)))
      }
    } catch {
      return Task.isCancelled ? .interrupted : .failed(after: nil, reason: Self.reason(for: error))
    }
  }

  /// The beginning of an error response on one line; an incomplete body is used as far as it was received.
  private func excerpt(of response: HTTPClientResponse, from endpoint: WebhookEndpoint) async -> String {
    var bytes = ByteBuffer()
    var chunks = response.body.makeAsyncIterator()
    while bytes.readableBytes < Self.maxReasonBytes, let chunk = try? await chunks.next() {
      bytes.writeImmutableBuffer(chunk)
    }
    let text = String(decoding: bytes.readableBytesView.prefix(Self.maxReasonBytes), as: UTF8.self)
      .split(whereSeparator: {
        $0.isWhitespace || $0.unicodeScalars.contains { $0.properties.generalCategory == .control }
      })
      .joined(separator: " ")
    // A receiver may repeat the secret or what it was sent.
    return text.isEmpty ? "" : ": \(endpoint.redact(text).onOneLine)"
  }

  private static func reason(for error: any Error) -> String {
    let problem = ConnectionProblem(error)
    let message = problem.message(about: "the webhook receiver")
    return problem == .other ? "\(message) (\(ConnectionProblem.detail(error)))" : message
  }
}

/// One message of the outbox. Every delivery attempt sends the same ID and the same bytes.
package struct WebhookMessage: Sendable, Equatable {
  /// Identifies repeated deliveries to the receiver; contains no dot.
  package var id: String
  /// JSON.
  package var body: [UInt8]

  package init(id: String, body: [UInt8]) {
    self.id = id
    self.body = body
  }
}

/// The result of one delivery attempt.
package enum WebhookOutcome: Sendable, Equatable {
  /// The receiver accepted the message.
  case delivered(status: Int)
  /// The message is to be sent again, after `after` at the earliest if given. The reason is for operators.
  case failed(after: Duration?, reason: String)
  /// The receiver is permanently gone (410): no further messages are to be sent to it.
  case gone
  /// The attempt was cancelled before the response arrived. The receiver may have accepted the message; this does not
  /// count as an attempt.
  case interrupted
}

/// The published times at which an undelivered message is sent again; more than three days in total.
package enum WebhookSchedule {
  /// The delay before each attempt, counted from the previous one.
  package static let delays: [Duration] = [
    .zero, .seconds(5), .seconds(5 * 60), .seconds(30 * 60), .seconds(2 * 3600), .seconds(5 * 3600),
    .seconds(10 * 3600), .seconds(14 * 3600), .seconds(20 * 3600), .seconds(24 * 3600),
  ]

  /// The delay before an attempt, numbered from 0, varied by up to a tenth; nil when there is no further attempt.
  ///
  /// `random` is in `0..<1`; `notBefore` is the delay asked for in the receiver's last response.
  package static func delay(attempt: Int, random: Double, notBefore: Duration? = nil) -> Duration? {
    guard delays.indices.contains(attempt) else { return nil }
    return max(delays[attempt] * (0.9 + 0.2 * random), notBefore ?? .zero)
  }
}
