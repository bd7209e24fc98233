import AsyncHTTPClient
import CXone
import Logging
import Model
import Synchronization
import TestKit

/// A tenant for tests: a scripted server that issues tokens, and a source that uses it.
struct Tenant: Sendable {
  let server: ScriptedServer
  let source: RecordingsV2Source

  /// The requests to the platform except those for tokens.
  var calls: [ScriptedServer.Request] { server.requests.filter { !$0.target.hasPrefix("/oauth2") } }
  var tokenRequests: Int { server.requests.count { $0.target == "/oauth2/token" } }

  struct Options: Sendable {
    var id = SourceID.default
    var rate = 0.0
    var burst = 20
    var parallelDownloads = 4
    /// Long, because a busy machine may take seconds for a call.
    var callTimeout = Duration.seconds(300)
    var stallTimeout = Duration.seconds(300)
    var maxRecordingBytes: Int64 = 8 << 30
    var allowedDownloadHosts: [String] = []
    var ignoredMembers: [String] = []
    var clientSecret = "secret"
    var basicEncoding = BasicEncoding.automatic
    var system = SystemServices.system
    var logger = Logger(label: "test")
    var allowance: (any AllowanceStore)?
    /// Replaces the tenant's own response to the token call.
    var token: (@Sendable (Int) async -> ScriptedServer.Reply)?
    /// The same, depending on the request.
    var tokenAnswer: (@Sendable (ScriptedServer.Request) -> ScriptedServer.Reply)?
  }

  static let scopes = "recording:read recording:download"

  static func token(_ value: String, scope: String = scopes, expiresIn: Int = 3600) -> ScriptedServer.Reply {
    .json(
      #"{"access_token":"\#(value)","token_type":"Bearer","expires_in":\#(expiresIn),"scope":"\#(scope)"}"#)
  }

  /// `answer` is called for each request except token calls, with its number from 0.
  static func run<Output: Sendable>(
    _ options: Options = Options(),
    answer: @escaping @Sendable (ScriptedServer.Request, Int) async -> ScriptedServer.Reply,
    _ body: (Tenant) async throws -> Output
  ) async throws -> Output {
    let counts = Mutex((tokens: 0, calls: 0))
    let client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: .platform)
    let script: @Sendable (ScriptedServer.Request) async -> ScriptedServer.Reply = { request in
      if request.target == "/oauth2/token" {
        if let answer = options.tokenAnswer { return answer(request) }
        let number = counts.withLock { counts in
          defer { counts.tokens += 1 }
          return counts.tokens
        }
        return await options.token?(number) ?? token("token-\(number)")
      }
      let number = counts.withLock { counts in
        defer { counts.calls += 1 }
        return counts.calls
      }
      return await answer(request, number)
    }
    do {
      let output = try await ScriptedServer.run(script) { server in
        let settings = try SourceSettings(
          id: options.id, baseURL: server.address, clientID: "client", clientSecret: options.clientSecret,
          rate: options.rate,
          burst: options.burst, parallelDownloads: options.parallelDownloads, callTimeout: options.callTimeout,
          stallTimeout: options.stallTimeout, maxRecordingBytes: options.maxRecordingBytes,
          allowedDownloadHosts: options.allowedDownloadHosts, ignoredMembers: options.ignoredMembers,
          basicEncoding: options.basicEncoding)
        let source = RecordingsV2Source(
          settings: settings, client: client, allowance: options.allowance, system: options.system,
          logger: options.logger)
        return try await body(Tenant(server: server, source: source))
      }
      try await client.shutdown()
      return output
    } catch {
      try await client.shutdown()
      throw error
    }
  }
}

/// The error thrown by an operation, or nil.
func failure(_ work: () async throws -> Void) async -> TapedeckError? {
  do {
    try await work()
    return nil
  } catch {
    return error as? TapedeckError
  }
}

let recordingID = RecordingID("rec-1")!
