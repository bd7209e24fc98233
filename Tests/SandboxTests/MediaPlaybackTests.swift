import AsyncHTTPClient
import Foundation
import Hummingbird
import Logging
import Model
import NIOCore
import NIOHTTP1
import Sandbox
import Testing

/// The simulated tenant of the contract `media-playback`, as any client sees it.
@Suite struct MediaPlaybackTests {
  private struct Running: Sendable {
    let tenant: SandboxTenant
    let address: String

    func send(
      _ method: HTTPMethod = .GET, _ path: String, _ headers: [(String, String)] = [], body: String? = nil
    ) async throws -> (status: Int, body: [UInt8], headers: HTTPHeaders) {
      var request = HTTPClientRequest(url: path.hasPrefix("http") ? path : address + path)
      request.method = method
      for (name, value) in headers { request.headers.add(name: name, value: value) }
      if let body { request.body = .bytes(ByteBuffer(string: body)) }
      let response = try await HTTPClient.shared.execute(request, timeout: .seconds(30))
      let bytes = Array(try await response.body.collect(upTo: 8 << 20).readableBytesView)
      return (Int(response.status.code), bytes, response.headers)
    }

    func json(_ path: String, _ token: String) async throws -> [String: Any] {
      let answer = try await send(.GET, path, [("Authorization", "Bearer \(token)")])
      return try JSONSerialization.jsonObject(with: Data(answer.body)) as? [String: Any] ?? [:]
    }

    func signIn(
      secret: String = "sandbox-key-secret%3D%3D%3D%3D", client: String = "sandbox-client:sandbox-secret"
    ) async throws -> (status: Int, json: [String: Any]) {
      let credentials = Data(client.utf8).base64EncodedString()
      let answer = try await send(
        .POST, "/auth/token",
        [("Authorization", "Basic \(credentials)"), ("Content-Type", "application/x-www-form-urlencoded")],
        body: "grant_type=password&username=sandbox-key&password=\(secret)")
      return (answer.status, try JSONSerialization.jsonObject(with: Data(answer.body)) as? [String: Any] ?? [:])
    }

    func token() async throws -> String { try await signIn().json["access_token"] as? String ?? "" }

    func interactions(_ call: SpecialCall, _ token: String, _ more: String = "") async throws -> [[String: Any]] {
      let path = "/media-playback/v1/contacts?acd-call-id=\(call.contactID)&media-type=voice-only\(more)"
      let answer = try await json(path, token)
      let inner = answer["value"] as? [String: Any] ?? answer
      return (inner["interactions"] ?? inner["Interactions"]) as? [[String: Any]] ?? []
    }

    func mediaAddress(_ call: SpecialCall, _ token: String) async throws -> String? {
      let data = try await interactions(call, token).first?["data"] as? [String: Any]
      return data?["fileToPlayUrl"] as? String
    }
  }

  private func run(
    system: SystemServices = .system, _ configure: (inout SandboxConfiguration) -> Void = { _ in },
    _ body: @Sendable (Running) async throws -> Void
  ) async throws {
    var configuration = SandboxConfiguration()
    configuration.contract = .mediaPlayback
    configuration.day = Instant(iso8601: "2026-03-02T00:00:00Z")
    configuration.callCount = 5
    configuration.spokenCalls = false
    configure(&configuration)
    var logger = Logger(label: "sandbox")
    logger.logLevel = .critical
    let tenant = try SandboxTenant(configuration: configuration, system: system, logger: logger)
    let (ports, port) = AsyncStream<Int>.makeStream()
    let (mediaPorts, mediaPort) = AsyncStream<Int>.makeStream()
    let application = tenant.makeApplication { port.yield($0) }
    let host = tenant.makeMediaHost { mediaPort.yield($0) }
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await application.run() }
      group.addTask { try await host.run() }
      var own = ports.makeAsyncIterator()
      var media = mediaPorts.makeAsyncIterator()
      guard let number = await own.next(), await media.next() != nil else { throw CancellationError() }
      try await body(Running(tenant: tenant, address: "http://127.0.0.1:\(number)"))
      group.cancelAll()
    }
  }

  @Test func `a key that is not form-encoded, or wrong, is 400 invalid_grant; a wrong client is 401`() async throws {
    try await run { running in
      #expect(try await running.signIn().status == 200)
      for secret in ["sandbox-key-secret====", "wrong"] {
        let answer = try await running.signIn(secret: secret)
        #expect(answer.status == 400 && answer.json["error"] as? String == "invalid_grant")
      }
      let answer = try await running.signIn(client: "sandbox-client:wrong")
      #expect(answer.status == 401 && answer.json["error"] as? String == "invalid_client")
    }
  }

  @Test func `the older call has the lifetime as text`() async throws {
    try await run { running in
      let answer = try await running.send(
        .POST, "/authentication/v1/token/access-key", [("Content-Type", "application/json")],
        body: #"{"accessKeyId":"sandbox-key","accessKeySecret":"sandbox-key-secret===="}"#)
      let json = try JSONSerialization.jsonObject(with: Data(answer.body)) as? [String: Any]
      #expect(json?["expires_in"] as? String == "3600")
    }
  }

  @Test func `discovery knows one tenant, which the token names`() async throws {
    try await run { running in
      let parts = try await running.token().split(separator: ".")
      #expect(parts.count == 3)
      let claims = String(decoding: bytes(base64URL: String(parts[1])) ?? [], as: UTF8.self)
      let id = running.tenant.configuration.tenantID
      #expect(claims.contains(id))
      #expect(try await running.send(.GET, "/.well-known/cxone-configuration?tenantId=\(id)").status == 200)
      #expect(try await running.send(.GET, "/.well-known/cxone-configuration?tenantId=other").status == 404)
    }
  }

  @Test func `contacts need a literal Z, have both generations of names, and none is 204`() async throws {
    try await run { running in
      let token = try await running.token()
      let headers = [("Authorization", "Bearer \(token)")]
      let path = "/incontactapi/services/v34.0/contacts/completed?mediaTypeId=4&top=1000&skip="
      let day = "&startDate=2026-03-02T00:00:00Z&endDate=2026-03-03T00:00:00Z"
      let rows = try await running.json("\(path)0\(day)", token)["completedContacts"] as? [[String: Any]] ?? []
      #expect(rows.contains { $0["contactStart"] != nil } && rows.contains { $0["contactStartDate"] != nil })
      let legs = rows.filter { "\($0["masterContactId"] ?? "")" == SpecialCall.threeLegs.contactID }
      #expect(legs.count == 3)
      #expect(try await running.send(.GET, "\(path)100000\(day)", headers).status == 204)
      let wrong = try await running.send(
        .GET, "\(path)0&startDate=2026-03-02T00:00:00%2B00:00&endDate=2026-03-03T00:00:00Z", headers)
      #expect(wrong.status == 400 && wrong.headers.first(name: "icStatusDescription") == "invalid date")
      let changed = "/incontactapi/services/v34.0/contacts/completed?updatedSince=2100-01-01T00:00:00Z"
      #expect(try await running.send(.GET, changed, headers).status == 204)
    }
  }

  @Test func `a media address lapses, and refuses a token`() async throws {
    let clock = TestClock()
    try await run(system: clock.system) {
      $0.mediaAddressLifetime = 60
    } _: { running in
      let token = try await running.token()
      let address = try #require(try await running.mediaAddress(.holdAndMask, token))
      #expect(!address.hasPrefix(running.address))
      let media = try await running.send(.GET, address, [("Range", "bytes=0-")])
      #expect(media.status == 206)
      let file = await running.tenant.mediaFile(.holdAndMask)
      #expect(media.body == file)
      #expect(try await running.send(.GET, address, [("Authorization", "Bearer \(token)")]).status == 400)
      #expect(try await running.send(.GET, address.replacing("/0?", with: "/1?")).status == 403)
      clock.advance(.seconds(60))
      #expect(try await running.send(.GET, address).status == 403)
    }
  }

  @Test func `calls differ as their names say`() async throws {
    try await run { running in
      let token = try await running.token()
      #expect(try await running.interactions(.twoParts, token).count == 2)
      let missing = try await running.interactions(.missingPart, token)
      #expect(missing.count { ($0["data"] as? [String: Any])?["fileToPlayUrl"] == nil } == 1)
      #expect(try await running.interactions(.elevatedChat, token).contains { $0["mediaType"] as? String == "chat" })
      #expect(try await running.interactions(.screen, token).contains { $0["mediaType"] as? String == "screen" })
      #expect(try await running.interactions(.noMedia, token).isEmpty)
      let address = try #require(try await running.mediaAddress(.mp3, token))
      let mp3 = try await running.send(.GET, address)
      #expect(mp3.body.starts(with: [0xFF, 0xF3]) && mp3.headers.first(name: "Content-Type") == "audio/mpeg")
    }
  }

  @Test func `a limit is reported with message and route`() async throws {
    try await run {
      $0.faults = [FaultRule(.rateLimited, endpoint: .metadata)]
    } _: { running in
      let token = try await running.token()
      let answer = try await running.send(
        .GET, "/media-playback/v1/contacts?acd-call-id=1", [("Authorization", "Bearer \(token)")])
      #expect(answer.status == 429 && answer.headers.first(name: "Retry-After") == nil)
      let json = try JSONSerialization.jsonObject(with: Data(answer.body)) as? [String: Any]
      #expect(json?["route"] as? String == "/media-playback/v1/contacts" && json?["message"] is String)
    }
  }

  @Test func `the file of a call is base64 in JSON`() async throws {
    try await run { running in
      let token = try await running.token()
      let path = "/incontactapi/services/v34.0/contacts/\(SpecialCall.file.contactID)/files"
      let list = try await running.json(path, token)["files"] as? [[String: Any]] ?? []
      let name = try #require(list.first { $0["purposeName"] as? String == "CallLog" }?["fileName"] as? String)
      let answer = try await running.json("\(path)?fileName=\(percentEncoded(name))", token)
      let file = try #require((answer["files"] as? [String: Any])?["file"] as? String)
      let sound = await running.tenant.mediaFile(.file)
      #expect(Data(base64Encoded: file).map { Array($0) } == sound)
      let other = "/incontactapi/services/v34.0/contacts/\(SpecialCall.mp3.contactID)/files"
      #expect(try await running.send(.GET, other, [("Authorization", "Bearer \(token)")]).status == 204)
    }
  }
}
