import Foundation
import TestKit

/// Calls boto3, Amazon's client, through `boto.py`.
struct Boto: Sendable {
  struct Call: Sendable, Codable {
    /// A method of boto3's client.
    var operation: String
    var arguments: [String: String]

    init(_ operation: String, _ arguments: [String: String]) {
      self.operation = operation
      self.arguments = arguments
    }
  }

  struct Answer: Sendable, Codable {
    var sha256: String
    var bytes: Int
    var type: String
    var checksum: String
    var metadata: [String: String]
    var names: [String]
  }

  /// A signed request that was not sent.
  struct Captured: Sendable, Codable {
    var method: String
    var url: String
    var headers: [String: String]
  }

  private struct Asked: Sendable, Codable {
    var endpoint: String?
    var region: String
    var key: S3Server.Key
    var token: String?
    var addressing: String
    var capture = false
    var calls: [Call]
  }

  var endpoint: String?
  var region: String
  var key: S3Server.Key
  var token: String?
  var addressing = "path"

  func answers(to calls: [Call]) async throws -> [Answer] { try await ask(calls, capture: false) }
  func captured(_ calls: [Call]) async throws -> [Captured] { try await ask(calls, capture: true) }

  private func ask<Output: Decodable & Sendable>(_ calls: [Call], capture: Bool) async throws -> [Output] {
    let asked = Asked(
      endpoint: endpoint, region: region, key: key, token: token, addressing: addressing, capture: capture, calls: calls
    )
    let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appending(path: "boto.py")
    return try await TestPython.run(script, asked)
  }
}
