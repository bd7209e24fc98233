import Crypto
import Foundation
import Model
import NIOCore
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

/// The bytes of a file as they are sent, read as fast as the connection takes them.
struct FileUpload: AsyncSequence, Sendable {
  typealias Element = ByteBuffer

  private static let chunk = 256 << 10

  let file: OpenFile
  let span: Range<Int64>
  let watch: StallWatch

  struct AsyncIterator: AsyncIteratorProtocol {
    let upload: FileUpload
    var offset: Int64

    mutating func next() async throws -> ByteBuffer? {
      // Whoever asks for more has sent what it had. The time in which the disk is read is ours.
      upload.watch.sawSign()
      defer { upload.watch.expectSign() }
      guard offset < upload.span.upperBound else { return nil }
      let piece = try await upload.file.read(
        at: offset, limit: Int(Swift.min(Int64(FileUpload.chunk), upload.span.upperBound - offset)))
      offset += Int64(piece.readableBytes)
      return piece
    }
  }

  func makeAsyncIterator() -> AsyncIterator { AsyncIterator(upload: self, offset: span.lowerBound) }
}
