import Crypto
import Foundation
import Model
import NIOHTTP1

/// One request to an object store, before it is signed.
struct S3Call: Sendable {
  enum Payload: Sendable {
    case none
    case bytes([UInt8])
    /// Part of a file with the SHA-256 that those bytes have, in hexadecimal.
    case file(OpenFile, Range<Int64>, sha256: String)
  }

  var method: HTTPMethod
  /// The whole name of the object, prefix included; empty for the bucket.
  var name: String
  /// Decoded.
  var query: [(name: String, value: String)] = []
  /// Every one of them is signed.
  var headers: [(name: String, value: String)] = []
  var payload: Payload = .none

  /// Whether a second one after a first that may have come through does no harm.
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
