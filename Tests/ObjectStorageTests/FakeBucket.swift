import Crypto
import Foundation
import Model
import Synchronization
import TestKit

/// An S3 service with one bucket in memory, for tests of services that lack a feature.
final class FakeBucket: Sendable {
  typealias Request = ScriptedServer.Request
  typealias Reply = ScriptedServer.Reply

  enum Feature: String, CaseIterable, Sendable {
    case range, head, list, copy, multipart, delete, conditions
  }

  struct Rules: Sendable {
    /// Features that are answered with this status and code.
    var refused: [Feature: (status: Int, code: String)] = [:]
    var ignoresConditions = false
    var rejectsPartChecksums = false
  }

  private let rules: Rules
  private let objects = Mutex<[String: [UInt8]]>([:])
  private let parts = Mutex<[UInt8]>([])

  init(_ rules: Rules = Rules()) { self.rules = rules }

  var keys: [String] { objects.withLock { $0.keys.sorted() } }

  func put(_ bytes: [UInt8], _ key: String) { objects.withLock { $0[key] = bytes } }
  func bytes(_ key: String) -> [UInt8]? { objects.withLock { $0[key] } }

  func reply(to request: Request) -> Reply {
    let pieces = request.target.split(separator: "?", maxSplits: 1)
    let key = String(pieces[0].dropFirst("/recordings/".count))
    let query = pieces.count > 1 ? String(pieces[1]) : ""
    if let feature = feature(request, query), let (status, code) = rules.refused[feature] {
      return request.method == "HEAD" ? .response(status) : .refusal(status, code)
    }
    switch request.method {
    case "POST" where query.hasPrefix("uploads"):
      parts.withLock { $0 = [] }
      return .xml("<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>")
    case "POST":
      if rules.rejectsPartChecksums, request.text.contains("Checksum") { return .refusal(400, "MalformedXML") }
      guard isAllowed(request, key) else { return .refusal(412, "PreconditionFailed") }
      put(parts.withLock { $0 }, key)
      return .xml("<CompleteMultipartUploadResult><ETag>\"e-1\"</ETag></CompleteMultipartUploadResult>")
    case "PUT" where query.contains("partNumber"):
      parts.withLock { $0 += request.body }
      return .response(200, ["ETag": "\"part\""])
    case "PUT":
      if let source = request.header("x-amz-copy-source") {
        guard let bytes = bytes(String(source.dropFirst("/recordings/".count))) else {
          return .refusal(404, "NoSuchKey")
        }
        put(bytes, key)
        return .xml("<CopyObjectResult><ETag>\"e\"</ETag></CopyObjectResult>")
      }
      guard isAllowed(request, key) else { return .refusal(412, "PreconditionFailed") }
      put(request.body, key)
      return .stored(request)
    case "HEAD": return bytes(key).map { .head("\($0.count)") } ?? .response(404)
    case "GET" where query.contains("list-type"): return .xml(listing(query))
    case "GET":
      guard let bytes = bytes(key) else { return .refusal(404, "NoSuchKey") }
      guard let range = request.header("range")?.dropFirst("bytes=".count).split(separator: "-"), range.count == 2,
        let first = Int(range[0]), let last = Int(range[1]), first < bytes.count
      else { return .response(200, ["ETag": "\"e\""], body: bytes) }
      let span = first...min(last, bytes.count - 1)
      return .part("bytes \(span.lowerBound)-\(span.upperBound)/\(bytes.count)", body: Array(bytes[span]))
    default:
      if query.isEmpty { objects.withLock { $0[key] = nil } }
      return .response(204)
    }
  }

  private func feature(_ request: Request, _ query: String) -> Feature? {
    switch request.method {
    case "HEAD": .head
    case "POST": .multipart
    case "DELETE": query.isEmpty ? .delete : nil
    case "GET" where query.contains("list-type"): .list
    case "GET": request.header("range") == nil ? nil : .range
    default:
      request.header("x-amz-copy-source") != nil
        ? .copy : request.header("if-none-match") != nil ? .conditions : nil
    }
  }

  private func isAllowed(_ request: Request, _ key: String) -> Bool {
    rules.ignoresConditions || request.header("if-none-match") == nil || bytes(key) == nil
  }

  private func listing(_ query: String) -> String {
    let entries = keys.map { key in
      "<Contents><Key>\(key)</Key><Size>\(bytes(key)?.count ?? 0)</Size>"
        + "<LastModified>2026-01-01T00:00:00.000Z</LastModified></Contents>"
    }
    return "<ListBucketResult><IsTruncated>false</IsTruncated>\(entries.joined())</ListBucketResult>"
  }
}
