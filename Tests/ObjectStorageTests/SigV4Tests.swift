import Foundation
import Model
import ObjectStorage
import TestKit
import Testing

@Suite(.timeLimit(.minutes(1))) struct SigV4Tests {
  /// The example of "Authenticating Requests: Using the Authorization Header" in Amazon's reference of S3.
  @Test func `Amazon's example of a ranged GET has the documented signature`() throws {
    let credentials = try S3Credentials(
      accessKeyID: "AKIAIOSFODNN7EXAMPLE", secretAccessKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
    let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    let request = CanonicalRequest(
      method: "GET", path: "/test.txt", query: [],
      headers: [
        ("Host", "examplebucket.s3.amazonaws.com"), ("Range", "bytes=0-9"), ("x-amz-content-sha256", empty),
        ("x-amz-date", "20130524T000000Z"),
      ], payloadHash: empty)
    let signer = SigV4Signer(credentials: credentials, region: "us-east-1")
    let moment = try #require(Instant(iso8601: "2013-05-24T00:00:00Z"))
    #expect(SigV4Signer.time(moment) == "20130524T000000Z")
    #expect(
      signer.authorization(for: request, at: moment)
        == "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, "
        + "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, "
        + "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41")
  }

  @Test func `the cached signing key is the one of the day`() throws {
    let credentials = try S3Credentials(accessKeyID: "id", secretAccessKey: "secret")
    let request = CanonicalRequest(method: "GET", path: "/", query: [], headers: [("host", "h")], payloadHash: "x")
    let signer = SigV4Signer(credentials: credentials, region: "us-east-1")
    let days = ["2026-01-15T23:59:59Z", "2026-01-16T00:00:00Z", "2026-01-15T23:59:59Z"].compactMap {
      Instant(iso8601: $0)
    }
    let signatures = days.map { signer.signature(of: request, at: $0) }
    #expect(signatures[0] == signatures[2])
    #expect(signatures[0] != signatures[1])
    // A signer that remembers nothing yet agrees.
    for (day, signature) in zip(days, signatures) {
      let fresh = SigV4Signer(credentials: credentials, region: "us-east-1")
      #expect(fresh.signature(of: request, at: day) == signature)
    }
  }

  // MARK: botocore

  static let names = [
    "plain", "a b", "a+b", "a%20b", "100%", "ü/ñ/日本語", "quote'\"`", "(x)[y]{z}", "semi;colon:at@", "a=b&c=d",
    "tilde~dot.dash-under_", "star*!$,", "back\\slash|pipe", "hash#question?", "<tag>&amp;", "ab/0123.mp3", "🎧",
    ".hidden", "trailing.", "a..b",
  ]

  struct Way: Sendable, CustomTestStringConvertible {
    var endpoint: String?
    var region: String
    var token: String?
    var addressing: String
    var testDescription: String { "\(addressing), \(endpoint ?? "Amazon"), \(region), token: \(token != nil)" }
  }

  static let ways = [
    Way(endpoint: "http://127.0.0.1:9000", region: "us-east-1", addressing: "path"),
    Way(endpoint: "https://storage.example.com", region: "eu-central-1", token: "to/ken+==", addressing: "path"),
    Way(region: "eu-central-1", addressing: "virtual"),
    Way(region: "cn-north-1", token: "token", addressing: "virtual"),
  ]

  /// Names, prefixes and queries that are awkward to encode, signed by Amazon's own client; what it signed is signed
  /// by Tapedeck from the decoded parts.
  @Test(arguments: ways)
  func `signatures equal those of botocore`(way: Way) async throws {
    let key = S3Server.Key(id: "AKIDEXAMPLE", secret: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
    let boto = Boto(
      endpoint: way.endpoint, region: way.region, key: key, token: way.token, addressing: way.addressing)
    var calls: [(call: Boto.Call, name: String, query: [(name: String, value: String)])] = []
    for name in Self.names {
      let object = ["Bucket": "recordings", "Key": name]
      let body = Data("sound".utf8).base64EncodedString()
      calls += [
        (.init("get_object", object.merging(["Range": "bytes=0-9", "IfMatch": "\"e\""]) { $1 }), name, []),
        (.init("delete_object", object), name, []),
        (.init("put_object", object.merging(["Body": body, "IfNoneMatch": "*"]) { $1 }), name, []),
        (
          .init("upload_part", object.merging(["Body": body, "PartNumber": "7", "UploadId": name]) { $1 }), name,
          [("partNumber", "7"), ("uploadId", name)]
        ),
        (
          .init("list_objects_v2", ["Bucket": "recordings", "Prefix": name, "ContinuationToken": "1/\(name)=="]), "",
          [
            ("list-type", "2"), ("prefix", name), ("continuation-token", "1/\(name)=="), ("encoding-type", "url"),
          ]
        ),
      ]
    }
    let captured = try await boto.captured(calls.map(\.call))
    #expect(captured.count == calls.count)
    let signer = SigV4Signer(
      credentials: try S3Credentials(accessKeyID: key.id, secretAccessKey: key.secret, sessionToken: way.token),
      region: way.region)
    let settings = try S3Settings(
      url: "s3://recordings?region=\(way.region)" + (way.endpoint.map { "&endpoint=\($0)" } ?? ""))
    for (expected, (call, name, query)) in zip(captured, calls) {
      let theirs = expected.headers.reduce(into: [String: String]()) { $0[$1.key.lowercased()] = $1.value }
      let authorization = try #require(theirs["authorization"])
      let signed = try #require(authorization.split(separator: "SignedHeaders=").last?.split(separator: ",").first)
      let time = try #require(theirs["x-amz-date"])
      let place = settings.place(of: name)
      let headers = try signed.split(separator: ";").map { header in
        let value = header == "host" ? place.host : theirs[String(header)]
        return (name: String(header), value: try #require(value, "\(header) is signed and not there"))
      }
      let ours = CanonicalRequest(
        method: expected.method, path: place.path, query: query, headers: headers,
        payloadHash: try #require(theirs["x-amz-content-sha256"]))
      let what = Comment(rawValue: "\(call.operation) '\(name)'")
      #expect(signer.authorization(for: ours, at: try moment(time)) == authorization, what)
      // botocore puts queries into another order on the way, which is not signed.
      #expect(expected.url.hasPrefix(place.origin + ours.path), what)
    }
  }

  private func moment(_ time: String) throws -> Instant {
    let (day, clock) = (Array(time.prefix(8)), Array(time.dropFirst(9).prefix(6)))
    let text =
      "\(String(day[0..<4]))-\(String(day[4..<6]))-\(String(day[6..<8]))T"
      + "\(String(clock[0..<2])):\(String(clock[2..<4])):\(String(clock[4..<6]))Z"
    return try #require(Instant(iso8601: text))
  }
}
