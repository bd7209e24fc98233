import AsyncHTTPClient
import Crypto
import HTTPTransport
import Model
import NIOCore
import NIOHTTP1

/// Sends requests to the S3 service: signs them, detects stalls, and maps failures to `TapedeckError`.
struct S3Client: Sendable {
  /// The longest body of a success: 1,000 keys of 1,024 bytes, percent-encoded, in XML.
  private static let maxBodyBytes = 8 << 20
  /// The part of an error page that is read.
  private static let maxErrorBodyBytes = 64 << 10

  let settings: S3Settings
  let system: SystemServices
  private let sessionToken: String?
  private let signer: SigV4Signer
  private let client: any HTTPSender

  init(settings: S3Settings, credentials: S3Credentials, client: any HTTPSender, system: SystemServices) {
    self.settings = settings
    self.system = system
    self.client = client
    sessionToken = credentials.sessionToken
    signer = SigV4Signer(credentials: credentials, region: settings.region)
  }

  /// Sends a request and returns the response, whatever its status: a success with its whole body, a failure with the
  /// beginning of it.
  ///
  /// - Throws: `storageFailed`, including when the body of a success is longer than `limit`; `interrupted`.
  func answer(to call: S3Call, upTo limit: Int = maxBodyBytes) async throws(TapedeckError) -> S3Answer {
    try await open(call) { answer, body throws(TapedeckError) in
      var answer = answer
      if answer.isSuccess { answer.body = try await body.whole(upTo: limit) }
      return answer
    }
  }

  /// Sends a request and returns the response with its whole body.
  ///
  /// - Throws: the response's failure unless it is a success; `storageFailed`, `interrupted`.
  @discardableResult
  func success(of call: S3Call, doing what: String) async throws(TapedeckError) -> S3Answer {
    let answer = try await answer(to: call)
    guard answer.isSuccess else { throw failure(answer, what) }
    return answer
  }

  /// Sends a request and passes its response to `read`: a success with the body still to be read, anything else with
  /// the beginning of the body.
  ///
  /// - Throws: `storageFailed`, `interrupted`, what `read` throws.
  func open<Output: Sendable>(
    _ call: S3Call,
    _ read: @escaping @Sendable (S3Answer, inout S3Body) async throws(TapedeckError) -> Output
  ) async throws(TapedeckError) -> Output {
    let watch = StallWatch(limit: settings.stallTimeout, system: system)
    let (result, wasLimited) = await limited {
      await Result(running: { () async throws(TapedeckError) in
        let response = try await send(call, watch)
        var body = S3Body(response.body, watch: watch)
        var answer = S3Answer(status: Int(response.status.code), headers: response.headers)
        if !answer.isSuccess { answer.body = await body.beginning(upTo: Self.maxErrorBodyBytes) }
        return try await read(answer, &body)
      })
    } by: {
      try await watch.untilStalled()
    }
    if wasLimited, case .failure(let failure) = result { throw TransportFailures.objectStore.timeout(cause: failure) }
    return try result.get()
  }

  func failure(_ answer: S3Answer, _ what: String) -> TapedeckError {
    answer.failure(what, now: system.now())
  }

  /// Sends a request; the watch limits the time. Only closed idle connections are replaced: all other retries are left
  /// to the job.
  private func send(_ call: S3Call, _ watch: StallWatch) async throws(TapedeckError) -> HTTPClientResponse {
    defer { watch.stopWaiting() }
    do {
      return try await client.send(
        repeating: {
          watch.startWaiting()
          return request(call, watch)
        }, isRepeatable: call.isRepeatable)
    } catch {
      throw TransportFailures.objectStore.failure(error)
    }
  }

  private func request(_ call: S3Call, _ watch: StallWatch) -> HTTPClientRequest {
    let now = system.now()
    let place = settings.place(of: call.key)
    let sha256 = call.payload.sha256
    var headers = call.headers
    headers += [("host", place.host), ("x-amz-content-sha256", sha256), ("x-amz-date", SigV4Signer.time(now))]
    if let sessionToken { headers.append(("x-amz-security-token", sessionToken)) }
    let canonical = CanonicalRequest(
      method: call.method.rawValue, path: place.path, query: call.query, headers: headers, payloadHash: sha256)

    var request = HTTPClientRequest(
      url: place.origin + canonical.path + (canonical.query.isEmpty ? "" : "?\(canonical.query)"))
    request.method = call.method
    for header in headers { request.headers.add(name: header.name, value: header.value) }
    request.headers.add(name: "Authorization", value: signer.authorization(for: canonical, at: now))
    // Not signed: proxies may change them.
    request.headers.add(name: "Accept-Encoding", value: "identity")
    request.headers.add(name: "User-Agent", value: "Tapedeck")
    if call.closesConnection { request.headers.add(name: "Connection", value: "close") }
    switch call.payload {
    case .none: break
    case .bytes(let bytes): request.body = .bytes(ByteBuffer(bytes: bytes))
    case .file(let file, let span, _):
      request.body = .stream(
        FileUpload(file: file, span: span, watch: watch), length: .known(span.upperBound - span.lowerBound))
    }
    return request
  }
}

/// A request before it is signed.
struct S3Call: Sendable {
  enum Payload: Sendable {
    case none
    case bytes([UInt8])
    /// A span of a file, and the SHA-256 of its bytes in hexadecimal.
    case file(OpenFile, Range<Int64>, sha256: String)
  }

  var method: HTTPMethod
  /// The object's key, prefix included; empty for the bucket itself.
  var key: String
  /// Not percent-encoded.
  var query: [(name: String, value: String)] = []
  /// All of them are signed.
  var headers: [(name: String, value: String)] = []
  var payload: Payload = .none
  /// Whether no other request may use the connection.
  var closesConnection = false

  /// Whether the request may be sent again when it is not known whether the service received it.
  var isRepeatable: Bool { method != .POST }
}

extension S3Call.Payload {
  /// In hexadecimal.
  var sha256: String {
    switch self {
    case .none: Self.hash([])
    case .bytes(let bytes): Self.hash(bytes)
    case .file(_, _, let sha256): sha256
    }
  }

  private static func hash(_ bytes: [UInt8]) -> String { hex(SHA256.hash(data: bytes)) }
}

extension TransportFailures {
  static let objectStore = TransportFailures(.storageFailed, of: "the object store")
}
