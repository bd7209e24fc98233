import Model
import NIOPosix
import ObjectStorage
import TestKit

/// An S3 store whose service is a script.
struct ScriptedStore: Sendable {
  typealias Request = ScriptedServer.Request
  typealias Reply = ScriptedServer.Reply

  static let secret = "canary-of-the-secret-key"
  static let token = "canary-of-the-session-token"

  let store: S3ObjectStore
  let server: ScriptedServer

  /// The requests, as `PUT /recordings/…?query`, with object names replaced by `NAME`.
  var calls: [String] {
    server.requests.map { request in
      "\(request.method) \(request.target.replacing(#/[0-9a-f]{32}/#, with: "NAME"))"
    }
  }

  /// - Parameter script: answers each request; requests are numbered from 0.
  static func run<Output: Sendable>(
    system: SystemServices = .system, uploads: (threshold: Int64, part: Int64) = (8 << 20, 6 << 20),
    copies: (threshold: Int64, part: Int64)? = nil, parameters: String = "",
    _ script: @escaping @Sendable (Request, Int) async -> Reply,
    _ body: (ScriptedStore, TemporaryFolder) async throws -> Output
  ) async throws -> Output {
    let folder = try TemporaryFolder()
    let counter = Counter()
    return try await ScriptedServer.run { request in
      await script(request, counter.next())
    } _: { server in
      var settings = try S3Settings(url: "s3://recordings/p?endpoint=\(server.address)\(parameters)")
      settings.multipartThreshold = uploads.threshold
      settings.partBytes = uploads.part
      if let copies { (settings.copyThreshold, settings.copyPartBytes) = copies }
      let store = S3ObjectStore(
        settings: settings,
        credentials: try S3Credentials(accessKeyID: "id", secretAccessKey: secret, sessionToken: token),
        client: S3Fixture.client, threads: .singleton, system: system)
      return try await body(ScriptedStore(store: store, server: server), folder)
    }
  }
}

extension ScriptedServer.Reply {
  /// An error as S3 services send it.
  static func refusal(_ status: Int, _ code: String, _ headers: [String: String] = [:]) -> Self {
    response(status, headers, body: Array(Self.error(code).utf8))
  }

  /// `Message` contains the key and what was signed, as Amazon's can.
  static func error(_ code: String) -> String {
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>\(code)</Code>"
      + "<Message>Said of \(ScriptedStore.secret)</Message><RequestId>R</RequestId></Error>"
  }

  /// The answer to a PUT of a service that has checked the checksum.
  static func stored(_ request: ScriptedServer.Request) -> Self {
    response(200, ["ETag": "\"e\"", "x-amz-checksum-sha256": request.header("x-amz-checksum-sha256") ?? ""])
  }

  static func xml(_ text: String, status: Int = 200) -> Self { response(status, body: Array(text.utf8)) }

  /// The response to HEAD.
  static func head(_ bytes: String, etag: String? = "\"e\"", _ more: [String: String] = [:]) -> Self {
    var headers = more.merging(["Content-Length": bytes]) { $1 }
    headers["ETag"] = etag
    return response(200, headers)
  }

  /// The response to a ranged GET.
  static func part(_ range: String, body: [UInt8]) -> Self { response(206, ["Content-Range": range], body: body) }
}
