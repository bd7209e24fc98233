package import AsyncHTTPClient
package import Model
import NIOCore
import NIOHTTP1

/// Sends messages of the outbox, one attempt at a time. Only a 2xx counts as taken; redirects are failures.
package struct WebhookDelivery: Sendable {
  /// As much of a refusal's body is kept for its reason.
  private static let reasonBytes = 1024

  private let client: HTTPClient
  private let surroundings: Surroundings
  private let timeout: Duration
  private let userAgent: String

  /// `client` must not follow redirects. `timeout` is for one attempt as a whole.
  package init(
    client: HTTPClient, surroundings: Surroundings, timeout: Duration = .seconds(10), userAgent: String = "Tapedeck"
  ) {
    self.client = client
    self.surroundings = surroundings
    self.timeout = timeout
    self.userAgent = userAgent
  }

  /// Makes one attempt. Never throws: whatever happens is an outcome.
  package func deliver(_ message: WebhookMessage, to endpoint: WebhookEndpoint) async -> WebhookOutcome {
    let request = request(message, to: endpoint)
    // The client's own deadline ends with the head of the answer; a receiver may be slow in its body.
    let first = await withTaskGroup(of: WebhookOutcome?.self) { group in
      group.addTask { await send(request) }
      group.addTask {
        try? await surroundings.sleep(timeout)
        return nil
      }
      defer { group.cancelAll() }
      return await group.next() ?? nil
    }
    if Task.isCancelled, first == nil { return .interrupted }
    return first ?? .failed(after: nil, reason: "no answer within \(timeout)")
  }

  private func request(_ message: WebhookMessage, to endpoint: WebhookEndpoint) -> HTTPClientRequest {
    let timestamp = surroundings.now().milliseconds / 1000
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

  private func send(_ request: HTTPClientRequest) async -> WebhookOutcome {
    do {
      let response = try await client.execute(request, timeout: .hours(1))
      switch response.status.code {
      case 200..<300: return .delivered(status: Int(response.status.code))
      case 410: return .gone
      default:
        let wait = response.headers.first(name: "Retry-After").flatMap {
          RetryAfter.delay(
            $0, answeredAt: response.headers.first(name: "Date"), now: surroundings.now(), limit: .seconds(86_400))
        }
        return .failed(after: wait, reason: "status \(response.status.code)" + (await words(of: response)))
      }
    } catch {
      return Task.isCancelled ? .interrupted : .failed(after: nil, reason: Self.words(of: error))
    }
  }

  /// The beginning of a refusal in one line; a body that breaks off is as good as one that ends.
  private func words(of response: HTTPClientResponse) async -> String {
    var bytes = ByteBuffer()
    var chunks = response.body.makeAsyncIterator()
    while bytes.readableBytes < Self.reasonBytes, let chunk = try? await chunks.next() {
      bytes.writeImmutableBuffer(chunk)
    }
    let text = String(decoding: bytes.readableBytesView.prefix(Self.reasonBytes), as: UTF8.self)
      .split(whereSeparator: {
        $0.isWhitespace || $0.unicodeScalars.contains { $0.properties.generalCategory == .control }
      })
      .joined(separator: " ")
    return text.isEmpty ? "" : ": \(text)"
  }

  private static func words(of error: any Error) -> String {
    switch error {
    // Its long description can quote header values.
    case let error as HTTPClientError: error.shortDescription
    case let error as IOError: error.description
    default: "the connection failed (\(type(of: error)))"
    }
  }
}
