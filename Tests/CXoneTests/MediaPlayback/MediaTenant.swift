import AsyncHTTPClient
import CXone
import Foundation
import Logging
import Model
import Synchronization
import TestKit

/// A tenant of the contract `media-playback` for tests: a scripted platform, a scripted media host, and a source that
/// uses both.
struct MediaTenant: Sendable {
  let platform: ScriptedServer
  let media: ScriptedServer
  let source: MediaPlaybackSource

  struct Options: Sendable {
    var clientID = "client"
    var clientSecret = "secret"
    var accessKeySecret = "key/secret+===="
    var tenantID: String?
    /// Whether the address of the ACD is configured; otherwise it is discovered.
    var hasACDAddress = false
    var mediaHosts = ["127.0.0.1"]
    var basicEncoding = BasicEncoding.automatic
    var system = SystemServices.system
    var logger = Logger(label: "test")
    /// Replaces the tenant's own response to a sign-in, by its number from 0.
    var signIn: (@Sendable (ScriptedServer.Request, Int) -> ScriptedServer.Reply)?
    /// Replaces the tenant's own response to discovery.
    var discovery: (@Sendable (ScriptedServer.Request) -> ScriptedServer.Reply)?
  }

  static let tenantID = "11111111-2222-3333-4444-555555555555"

  /// A token that names the tenant.
  static func token(_ number: Int) -> String {
    "\(base64URL("{}".utf8)).\(base64URL(#"{"tenantId":"\#(tenantID)"}"#.utf8)).canary\(number)"
  }

  static func tokenReply(_ number: Int, expiresIn: String = "3600") -> ScriptedServer.Reply {
    .json(#"{"access_token":"\#(token(number))","refresh_token":"r","expires_in":\#(expiresIn)}"#)
  }

  var signIns: [ScriptedServer.Request] { platform.requests.filter { Self.isSignIn($0) } }
  var discoveries: [ScriptedServer.Request] { platform.requests.filter { $0.target.hasPrefix("/.well-known/") } }
  var contactRequests: [ScriptedServer.Request] {
    platform.requests.filter { $0.target.contains("/contacts/completed") }
  }
  var mediaRequests: [ScriptedServer.Request] { platform.requests.filter { $0.target.hasPrefix("/media-playback/") } }
  var fileRequests: [ScriptedServer.Request] { platform.requests.filter { $0.target.contains("/files") } }

  private static func isSignIn(_ request: ScriptedServer.Request) -> Bool {
    request.target == "/auth/token" || request.target.hasPrefix("/authentication/")
  }

  /// - Parameters:
  ///   - answer: called for each request to the platform that is neither a sign-in nor discovery, with its number from
  ///     0 and the address of the media host.
  ///   - media: called for each request to the media host, with its number from 0.
  static func run<Output: Sendable>(
    _ options: Options = Options(),
    answer: @escaping @Sendable (ScriptedServer.Request, Int, String) async -> ScriptedServer.Reply,
    media: @escaping @Sendable (ScriptedServer.Request, Int) async -> ScriptedServer.Reply = { _, _ in .response(500) },
    _ body: (MediaTenant) async throws -> Output
  ) async throws -> Output {
    let client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: .platform)
    let counts = Mutex((signIns: 0, calls: 0, media: 0))
    let result: Result<Output, any Error>
    do {
      result = .success(
        try await ScriptedServer.run({ request in
          let number = counts.withLock { counts in
            defer { counts.media += 1 }
            return counts.media
          }
          return await media(request, number)
        }) { host in
          let mediaAddress = host.address
          let ownAddress = Mutex("")
          return try await ScriptedServer.run({ request in
            if isSignIn(request) {
              let number = counts.withLock { counts in
                defer { counts.signIns += 1 }
                return counts.signIns
              }
              return options.signIn?(request, number) ?? tokenReply(number)
            }
            if request.target.hasPrefix("/.well-known/") {
              let address = ownAddress.withLock { $0 }
              return options.discovery?(request)
                ?? .json(#"{"area":"na1","domain":"niceincontact.com","api_endpoint":"\#(address)"}"#)
            }
            let number = counts.withLock { counts in
              defer { counts.calls += 1 }
              return counts.calls
            }
            return await answer(request, number, mediaAddress)
          }) { platform in
            ownAddress.withLock { $0 = platform.address }
            let source = try makeSource(options, platform: platform, client: client)
            return try await body(MediaTenant(platform: platform, media: host, source: source))
          }
        })
    } catch {
      result = .failure(error)
    }
    try await client.shutdown()
    return try result.get()
  }

  private static func makeSource(
    _ options: Options, platform: ScriptedServer, client: HTTPClient
  ) throws -> MediaPlaybackSource {
    let access = try MediaPlaybackAccess(
      accessKeyID: "key-id", accessKeySecret: options.accessKeySecret, issuerURL: platform.address,
      tenantID: options.tenantID, acdURL: options.hasACDAddress ? platform.address : nil, areaURL: platform.address,
      mediaHosts: options.mediaHosts, rate: MediaRate(requests: 100_000, seconds: 1))
    let settings = try SourceSettings(
      baseURL: platform.address, clientID: options.clientID, clientSecret: options.clientSecret, rate: 0,
      callTimeout: .seconds(300), basicEncoding: options.basicEncoding, contract: .mediaPlayback(access))
    return MediaPlaybackSource(
      settings: settings, access: access, client: client, system: options.system, logger: options.logger)
  }

  /// Downloads the first part of a call.
  func download(
    _ id: RecordingID = callID, _ state: DownloadState = DownloadState(), into sink: MemorySink
  ) async throws -> DownloadState {
    try await source.download(PartLocator(id), state: state, into: sink) { state throws(TapedeckError) in
      sink.note(state)
    }
  }
}

let callID = RecordingID("460000000001")!

/// The answer of the media API with one interaction.
func mediaAnswer(
  _ address: String, wrapper: String = "interactions", segments: String = #"[{"directionType":"OUTBOUND"}]"#,
  participants: String = "[]"
) -> ScriptedServer.Reply {
  .json(#"{"\#(wrapper)":[\#(interaction(address, segments: segments, participants: participants))]}"#)
}

/// A voice interaction of a minute from 2026-01-15T10:00:00Z; without an address when it is empty.
func interaction(
  _ address: String, minute: Int = 0, segments: String = #"[{"directionType":"OUTBOUND"}]"#,
  participants: String = "[]"
) -> String {
  let url = address.isEmpty ? "" : #""fileToPlayUrl":"\#(address)","#
  return """
    {"mediaType":"voice","startTime":"2026-01-15T10:0\(minute):00Z","endTime":"2026-01-15T10:0\(minute + 1):00Z",
    "data":{\(url)"participantDataList":\(participants),"segmentsDataList":\(segments)}}
    """
}
