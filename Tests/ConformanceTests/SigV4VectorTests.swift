import Crypto
import Foundation
import Model
import ObjectStorage
import Testing

/// Amazon's test suite for Signature Version 4, which is not part of this project: `make conformance VECTORS=FOLDER`
/// runs it.
///
/// `FOLDER/sigv4.json` has, for each folder of `tests/aws-signing-test-suite/v4` in
/// https://github.com/awslabs/aws-c-auth, the texts of its files by name.
@Suite struct SigV4VectorTests {
  struct Suite: Decodable {
    var cases: [String: [String: String]]
  }

  struct Context: Decodable {
    struct Credentials: Decodable {
      var accessKeyId: String
      var secretAccessKey: String
      var token: String?
    }
    var credentials: Credentials
    var expirationInSeconds: Int
    var normalize: Bool
    var region: String
    var service: String
    var signBody: Bool
    var timestamp: String
    var omitSessionToken: Bool?
  }

  struct Request {
    var method: String
    var path: String
    var query: [(name: String, value: String)]
    var headers: [(name: String, value: String)]
    var body: String
  }

  /// The two forms of a signature: in a header, as Tapedeck sends it, or in the URL. Both are computed the same way.
  enum Way: String, CaseIterable { case header, query }

  static func suite() throws -> [String: [String: String]] {
    guard let folder = ProcessInfo.processInfo.environment["VECTORS"] else {
      throw TapedeckError(.usage, "Set VECTORS to the folder with sigv4.json, as 'make conformance' does.")
    }
    let file = URL(fileURLWithPath: folder).appending(path: "sigv4.json")
    return try JSONDecoder().decode(Suite.self, from: Data(contentsOf: file)).cases
  }

  @Test(arguments: Way.allCases)
  func `every request of the suite has the expected signature`(way: Way) throws {
    let suite = try Self.suite()
    #expect(suite.count > 30)
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    for (name, files) in suite {
      let context = try decoder.decode(Context.self, from: Data(try #require(files["context.json"]).utf8))
      let request = try read(try #require(files["request.txt"]))
      let moment = try #require(Instant(iso8601: context.timestamp))
      let canonical = canonical(request, context, moment, way)
      let signer = SigV4Signer(
        credentials: try S3Credentials(
          accessKeyID: context.credentials.accessKeyId, secretAccessKey: context.credentials.secretAccessKey),
        region: context.region, service: context.service)
      let what = Comment(rawValue: "\(name), \(way)")
      #expect(canonical.text == files["\(way)-canonical-request.txt"], what)
      #expect(signer.stringToSign(canonical, at: moment) == files["\(way)-string-to-sign.txt"], what)
      #expect(signer.signature(of: canonical, at: moment) == files["\(way)-signature.txt"], what)
      if way == .header {
        let authorization = signer.authorization(for: canonical, at: moment)
        #expect(files["header-signed-request.txt"]?.contains("Authorization:\(authorization)\n") == true, what)
      }
    }
  }

  private func canonical(
    _ request: Request, _ context: Context, _ moment: Instant, _ way: Way
  ) -> CanonicalRequest {
    let time = SigV4Signer.time(moment)
    let bodyHash = sha256(Array(request.body.utf8))
    let payloadHash = context.signBody ? bodyHash : sha256([])
    var (headers, query) = (request.headers, request.query)
    let token = context.credentials.token.flatMap { context.omitSessionToken == true ? nil : $0 }
    switch way {
    case .header:
      headers.append(("X-Amz-Date", time))
      if context.signBody { headers.append(("x-amz-content-sha256", bodyHash)) }
      if let token { headers.append(("X-Amz-Security-Token", token)) }
    case .query:
      let scope = "\(time.prefix(8))/\(context.region)/\(context.service)/aws4_request"
      query += [
        ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"), ("X-Amz-Credential", "\(context.credentials.accessKeyId)/\(scope)"),
        ("X-Amz-Date", time), ("X-Amz-Expires", "\(context.expirationInSeconds)"),
        ("X-Amz-SignedHeaders", Set(headers.map { $0.name.lowercased() }).sorted().joined(separator: ";")),
      ]
      if let token { query.append(("X-Amz-Security-Token", token)) }
    }
    return CanonicalRequest(
      method: request.method, path: context.normalize ? normalized(request.path) : request.path, query: query,
      headers: headers, payloadHash: payloadHash)
  }

  /// Services other than S3 sign paths without empty segments and dots; Tapedeck signs the path unchanged.
  private func normalized(_ path: String) -> String {
    var segments: [Substring] = []
    for segment in path.split(separator: "/") where segment != "." {
      if segment == ".." { _ = segments.popLast() } else { segments.append(segment) }
    }
    return "/" + segments.joined(separator: "/") + (segments.isEmpty || !path.hasSuffix("/") ? "" : "/")
  }

  private func read(_ text: String) throws -> Request {
    let halves = text.split(separator: "\n\n", maxSplits: 1, omittingEmptySubsequences: false)
    var lines = halves[0].split(separator: "\n")
    let first = lines.removeFirst()
    let method = try #require(first.split(separator: " ").first)
    // The path may contain spaces.
    let target = first.dropFirst(method.count + 1).dropLast(" HTTP/1.1".count)
    let parts = target.split(separator: "?", maxSplits: 1)
    var headers: [(name: String, value: String)] = []
    for line in lines {
      if line.hasPrefix(" "), !headers.isEmpty {
        headers[headers.count - 1].value += "\n\(line)"
      } else {
        let pair = line.split(separator: ":", maxSplits: 1)
        headers.append((String(pair[0]), pair.count == 2 ? String(pair[1]) : ""))
      }
    }
    let query = parts.count < 2 ? [] : parts[1].split(separator: "&")
    return Request(
      method: String(method), path: try decoded(parts[0]),
      query: try query.map { parameter in
        let pair = parameter.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        return (try decoded(pair[0]), try decoded(pair.count == 2 ? pair[1] : ""))
      }, headers: headers, body: halves.count == 2 ? String(halves[1]) : "")
  }

  private func sha256(_ bytes: [UInt8]) -> String { hex(SHA256.hash(data: bytes)) }

  private func decoded(_ text: Substring) throws -> String { try #require(String(text).removingPercentEncoding) }
}
