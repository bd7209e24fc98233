import AsyncHTTPClient
import Foundation
import Hummingbird
import Logging
import Model
import NIOCore
import NIOHTTP1
import Sandbox
import Synchronization

/// A running tenant, and a client that keeps what it received even when the connection breaks.
struct RunningTenant: Sendable {
  let tenant: SandboxTenant
  let port: Int

  /// A response.
  struct Answer {
    var status: Int
    var headers: HTTPHeaders
    var body: [UInt8]
    /// Why the body is incomplete.
    var broken: (any Error)?

    func header(_ name: String) -> String? { headers.first(name: name) }

    var text: String { String(decoding: body, as: UTF8.self) }

    func json() throws -> [String: Any] {
      try JSONSerialization.jsonObject(with: Data(body)) as? [String: Any] ?? [:]
    }
  }

  static func run<Result: Sendable>(
    system: SystemServices = .system, _ configure: (inout SandboxConfiguration) -> Void = { _ in },
    _ body: @Sendable (RunningTenant) async throws -> Result
  ) async throws -> Result {
    var configuration = SandboxConfiguration()
    configuration.day = Instant(iso8601: "2026-03-02T00:00:00Z")
    configure(&configuration)
    var logger = Logger(label: "sandbox")
    // The group is cancelled instead of shut down, which the server would report as errors.
    logger.logLevel = .critical
    let tenant = try SandboxTenant(configuration: configuration, system: system, logger: logger)
    let (ports, port) = AsyncStream<Int>.makeStream()
    let application = tenant.makeApplication { port.yield($0) }
    return try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await application.run() }
      var iterator = ports.makeAsyncIterator()
      guard let port = await iterator.next() else { throw CancellationError() }
      let result = try await body(RunningTenant(tenant: tenant, port: port))
      group.cancelAll()
      return result
    }
  }

  func request(
    _ method: String, _ path: String, headers: [(String, String)] = [], body: String? = nil,
    stopAfter: Int = .max
  ) async throws -> Answer {
    var request = HTTPClientRequest(url: "http://127.0.0.1:\(port)\(path)")
    request.method = HTTPMethod(rawValue: method)
    for (name, value) in headers { request.headers.add(name: name, value: value) }
    if let body { request.body = .bytes(ByteBuffer(string: body)) }
    let response = try await HTTPClient.shared.execute(request, timeout: .seconds(30))
    var answer = Answer(status: Int(response.status.code), headers: response.headers, body: [])
    do {
      for try await buffer in response.body {
        answer.body += buffer.readableBytesView
        if answer.body.count >= stopAfter { break }
      }
    } catch {
      answer.broken = error
    }
    return answer
  }

  /// A token for the configured client.
  func token() async throws -> String {
    let credentials = Data("\(tenant.configuration.clientID):\(tenant.configuration.clientSecret)".utf8)
    let answer = try await request(
      "POST", "/oauth2/token",
      headers: [
        ("Authorization", "Basic \(credentials.base64EncodedString())"),
        ("Content-Type", "application/x-www-form-urlencoded"),
      ], body: "grant_type=client_credentials")
    return try answer.json()["access_token"] as? String ?? ""
  }

  func get(_ path: String, token: String, headers: [(String, String)] = [], stopAfter: Int = .max) async throws
    -> Answer
  {
    try await request(
      "GET", path, headers: [("Authorization", "Bearer \(token)")] + headers, stopAfter: stopAfter)
  }

  /// Downloads as in the contract: a range from a byte on.
  func download(
    _ id: String, from start: Int? = 0, ifRange: String? = nil, token: String, stopAfter: Int = .max
  ) async throws -> Answer {
    var headers = [("Accept-Encoding", "identity")]
    if let start { headers.append(("Range", "bytes=\(start)-")) }
    if let ifRange { headers.append(("If-Range", ifRange)) }
    return try await get(RunningTenant.path(id) + "/download", token: token, headers: headers, stopAfter: stopAfter)
  }

  static func path(_ id: String) -> String { "/api/v2/recording/\(RecordingID(id)?.pathSegment ?? "")" }
}

/// A clock controlled by a test. Sleeping advances it too.
final class TestClock: Sendable {
  private let state = Mutex(Instant(milliseconds: 1_772_000_000_000))

  var now: Instant { state.withLock { $0 } }

  func advance(_ duration: Duration) { state.withLock { $0 = $0 + duration } }

  var system: SystemServices {
    SystemServices(now: { self.now }, sleep: { self.advance($0) }, random: { 0.25 })
  }
}

func tenant(_ configure: (inout SandboxConfiguration) -> Void = { _ in }) throws -> SandboxTenant {
  var configuration = SandboxConfiguration()
  configuration.day = Instant(iso8601: "2026-03-02T00:00:00Z")
  configure(&configuration)
  return try SandboxTenant(configuration: configuration, logger: Logger(label: "sandbox"))
}
