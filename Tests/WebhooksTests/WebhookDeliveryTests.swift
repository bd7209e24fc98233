import AsyncHTTPClient
import Model
import TestKit
import Testing
import Webhooks

@Suite(.timeLimit(.minutes(1))) struct WebhookDeliveryTests {
  let message = WebhookMessage(id: "msg_1", body: Array(#"{"type":"recording.archived"}"#.utf8))
  let clock = TestClock(now: Instant(iso8601: "2026-01-15T12:00:00Z")!)

  /// Delivers the message once to a receiver with this behaviour; `meanwhile` runs during the delivery.
  func deliver(
    path: String = "/hook", _ reply: ScriptedServer.Reply,
    meanwhile: (ScriptedServer) async throws -> Void = { _ in }
  ) async throws -> (outcome: WebhookOutcome, requests: [ScriptedServer.Request]) {
    var configuration = HTTPClient.Configuration(redirectConfiguration: .disallow)
    configuration.httpVersion = .http1Only
    let client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
    let delivery = WebhookDelivery(client: client, system: clock.system(), userAgent: "Tapedeck/1.0")
    do {
      let result = try await ScriptedServer.run { _ in
        reply
      } _: { server in
        let endpoint = try WebhookEndpoint(
          url: server.address + path, signer: WebhookSigner(try WebhookSecret(WebhookSignerTests.known)))
        let attempt = Task { await delivery.deliver(message, to: endpoint) }
        try await meanwhile(server)
        return (await attempt.value, server.requests)
      }
      try await client.shutdown()
      return result
    } catch {
      try await client.shutdown()
      throw error
    }
  }

  @Test(arguments: [200, 201, 202, 299])
  func `any 2xx is success`(status: Int) async throws {
    let (outcome, _) = try await deliver(.response(status))
    #expect(outcome == .delivered(status: status))
  }

  @Test func `a message has the headers of Standard Webhooks`() async throws {
    let (_, requests) = try await deliver(path: "/hook?key=1", .response(200))
    let request = try #require(requests.first)
    let timestamp = clock.now.milliseconds / 1000
    #expect(requests.count == 1)
    #expect(request.method == "POST")
    #expect(request.target == "/hook?key=1")
    #expect(request.body == message.body)
    #expect(request.header("Content-Type") == "application/json")
    #expect(request.header("User-Agent") == "Tapedeck/1.0")
    #expect(request.header("webhook-id") == "msg_1")
    #expect(request.header("webhook-timestamp") == "\(timestamp)")
    let signer = WebhookSigner(try WebhookSecret(WebhookSignerTests.known))
    #expect(
      request.header("webhook-signature") == signer.signature(id: "msg_1", timestamp: timestamp, body: message.body))
  }

  @Test func `410 is reported as gone`() async throws {
    #expect(try await deliver(.response(410)).outcome == .gone)
  }

  @Test(arguments: [301, 302, 307, 308])
  func `a redirect is a failure and is not followed`(status: Int) async throws {
    let (outcome, requests) = try await deliver(.response(status, ["Location": "/elsewhere"]))
    #expect(outcome == .failed(after: nil, reason: "status \(status)"))
    #expect(requests.count == 1)
  }

  @Test(arguments: [400, 401, 404, 500, 503])
  func `any other status is a failure with the response body as the reason`(status: Int) async throws {
    let (outcome, _) = try await deliver(.response(status, body: Array("no\r\n such\u{0} queue".utf8)))
    #expect(outcome == .failed(after: nil, reason: "status \(status): no such queue"))
  }

  @Test(arguments: [
    ("bad signature for whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "bad signature for whsec_[redacted]"),
    ("token tdk_0123456789abcdef is unknown", "token tdk_[redacted] is unknown"),
    ("Authorization: Bearer abcdef.ghi", "Authorization: Bearer [redacted]"),
  ])
  func `a secret in the response body is not kept`(body: String, reason: String) async throws {
    let (outcome, _) = try await deliver(.response(401, body: Array(body.utf8)))
    #expect(outcome == .failed(after: nil, reason: "status 401: \(reason)"))
  }

  @Test(arguments: [
    ("no route /hook?key=HOOKSECRET&v=1", "no route /hook?key=[redacted]&v=1"),
    ("POST /services/T01234567/xoxb%2D0123456789abcdef", "POST /services/T01234567/[redacted]"),
    ("POST /services/T01234567/xoxb-0123456789abcdef", "POST /services/T01234567/[redacted]"),
    ("token 'a secret+' is unknown", "token '[redacted]' is unknown"),
  ])
  func `a secret in the address is not kept`(body: String, reason: String) async throws {
    let path = "/services/T01234567/xoxb%2D0123456789abcdef?key=HOOKSECRET&v=1&token=a%20secret%2B"
    let (outcome, _) = try await deliver(path: path, .response(401, body: Array(body.utf8)))
    #expect(outcome == .failed(after: nil, reason: "status 401: \(reason)"))
  }

  @Test(arguments: [
    ("7", Duration.seconds(7)), ("Thu, 15 Jan 2026 12:02:00 GMT", .seconds(120)), ("99999999999", .seconds(86_400)),
  ])
  func `Retry-After is respected up to one day`(value: String, delay: Duration) async throws {
    let (outcome, _) = try await deliver(.response(503, ["Retry-After": value]))
    #expect(outcome == .failed(after: delay, reason: "status 503"))
  }

  @Test func `a long error response is truncated`() async throws {
    let (outcome, _) = try await deliver(
      .chunked(500, pieces: Array(repeating: [UInt8](repeating: 0x61, count: 100_000), count: 20)))
    #expect(outcome == .failed(after: nil, reason: "status 500: " + String(repeating: "a", count: 1024)))
  }

  @Test func `a receiver that hangs before or within its response times out after ten seconds`() async throws {
    let never = Gate()
    for reply in [
      ScriptedServer.Reply([.wait(never)]),
      ScriptedServer.Reply([.send(Array("HTTP/1.1 500 No\r\nContent-Length: 9\r\n\r\nx".utf8)), .wait(never)]),
    ] {
      let (outcome, _) = try await deliver(reply) { _ in
        try await clock.untilSleeping(1)
        clock.advance(by: .seconds(10))
      }
      #expect(outcome == .failed(after: nil, reason: "no response within 10.0 seconds"))
    }
  }

  @Test func `a broken connection is a failure`() async throws {
    for reply in [ScriptedServer.Reply([.close]), ScriptedServer.Reply([.reset])] {
      let (outcome, _) = try await deliver(reply)
      guard case .failed(nil, let reason) = outcome else {
        Issue.record("\(outcome)")
        continue
      }
      #expect(!reason.isEmpty)
    }
  }

  @Test func `a cancelled delivery is not a failure of the receiver`() async throws {
    let never = Gate()
    let delivery = WebhookDelivery(client: HTTPClient.shared, system: clock.system())
    try await ScriptedServer.run { _ in
      ScriptedServer.Reply([.wait(never)])
    } _: { server in
      let endpoint = try WebhookEndpoint(url: server.address, signer: WebhookSigner(.make()))
      let attempt = Task { await delivery.deliver(message, to: endpoint) }
      try await clock.untilSleeping(1)
      attempt.cancel()
      #expect(await attempt.value == .interrupted)
    }
  }

  @Test(arguments: [
    "", "example.com", "ftp://example.com", "https://", "https://user:canary@example.com", "https://h/#x",
    "https://h:0/", "http://h:65536/", "https://h:99999999999999999999",
  ])
  func `an invalid URL is rejected with the name of the setting but not its value`(url: String) {
    let error = #expect(throws: TapedeckError.self) { try WebhookEndpoint(url: url, signer: WebhookSigner(.make())) }
    #expect(error?.code == .configurationInvalid)
    #expect(error?.message.contains("QM_WEBHOOK_URL") == true)
    #expect(error?.message.contains("canary") == false)
  }

  @Test(arguments: ["http://10.1.2.3:8080/qm", "https://qm.example.com/hook?key=canary"])
  func `the operator's URL is trusted, and its path is not printed`(url: String) throws {
    let endpoint = try WebhookEndpoint(url: url, signer: WebhookSigner(.make()))
    #expect(endpoint.url == url)
    #expect(!"\(endpoint)".contains("canary"))
  }
}
