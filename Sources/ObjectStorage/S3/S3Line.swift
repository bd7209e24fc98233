import AsyncHTTPClient
import Model
import NIOCore
import NIOHTTP1

/// The one way to the object store: every request is signed, watched for a stall, and fails in our words.
struct S3Line: Sendable {
  /// More of an answer than this is none that we asked for: 1,000 names of 1,024 bytes, percent-encoded, in XML.
  private static let longestBody = 8 << 20
  /// More of an error page is not worth the transfer.
  private static let longestErrorBody = 64 << 10

  let settings: S3Settings
  let surroundings: Surroundings
  private let sessionToken: String?
  private let signer: SigV4Signer
  private let client: HTTPClient

  init(settings: S3Settings, credentials: S3Credentials, client: HTTPClient, surroundings: Surroundings) {
    self.settings = settings
    self.surroundings = surroundings
    self.client = client
    sessionToken = credentials.sessionToken
    signer = SigV4Signer(credentials: credentials, region: settings.region)
  }

  /// Makes a call and gives its answer, of whatever status, with the whole body.
  ///
  /// - Throws: `storageFailed`, also for a body of a success that is longer than `limit`; `interrupted`.
  func answer(to call: S3Call, upTo limit: Int = longestBody) async throws(TapedeckError) -> S3Answer {
    try await open(call) { answer, body throws(TapedeckError) in
      var answer = answer
      if answer.isSuccess { answer.body = try await body.whole(upTo: limit) }
      return answer
    }
  }

  /// Makes a call and gives the answer of a success with the whole body.
  ///
  /// - Throws: what the answer means when it is none; `storageFailed`, `interrupted`.
  @discardableResult
  func success(of call: S3Call, doing what: String) async throws(TapedeckError) -> S3Answer {
    let answer = try await answer(to: call)
    guard answer.isSuccess else { throw failure(answer, what) }
    return answer
  }

  /// Makes a call and lets `read` have its answer: a success with the body still to come, anything else with as much
  /// of the body as an error needs.
  ///
  /// - Throws: `storageFailed`, `interrupted`, what `read` throws.
  func open<Output: Sendable>(
    _ call: S3Call,
    _ read: @escaping @Sendable (S3Answer, inout S3Body) async throws(TapedeckError) -> Output
  ) async throws(TapedeckError) -> Output {
    let watch = StallWatch(limit: settings.stallTimeout, surroundings: surroundings)
    let (result, wasLimited) = await limited {
      await Result(running: { () async throws(TapedeckError) in
        let response = try await send(call, watch)
        var body = S3Body(response.body, watch: watch)
        var answer = S3Answer(status: Int(response.status.code), headers: response.headers)
        if !answer.isSuccess { answer.body = await body.beginning(upTo: Self.longestErrorBody) }
        return try await read(answer, &body)
      })
    } by: {
      try await watch.untilStalled()
    }
    if wasLimited, case .failure(let failure) = result { throw S3Transport.timeout(cause: failure) }
    return try result.get()
  }

  func failure(_ answer: S3Answer, _ what: String) -> TapedeckError {
    answer.failure(what, now: surroundings.now())
  }

  /// Sends a request, and at once a second time when the server ended the connection instead of answering, as it may
  /// with one that was idle. Every other repetition is the job's.
  private func send(_ call: S3Call, _ watch: StallWatch) async throws(TapedeckError) -> HTTPClientResponse {
    var isSecond = false
    while true {
      do {
        watch.expectSign()
        defer { watch.sawSign() }
        // Time is minded by the watch; the client only wants some deadline for the head.
        return try await client.execute(request(call, watch), timeout: .hours(24))
      } catch {
        guard !isSecond, call.isRepeatable, !Task.isCancelled, S3Transport.wasClosed(error) else {
          throw S3Transport.failure(error)
        }
        isSecond = true
      }
    }
  }

  private func request(_ call: S3Call, _ watch: StallWatch) -> HTTPClientRequest {
    let now = surroundings.now()
    let place = settings.place(of: call.name)
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
    // Not signed: what stands between us and the store may change them.
    request.headers.add(name: "Accept-Encoding", value: "identity")
    request.headers.add(name: "User-Agent", value: "Tapedeck")
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
