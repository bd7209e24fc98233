package import Model
package import NIOCore

/// Where a download puts its bytes: a file that grows at its end and can be cut. One download at a time writes to it.
package protocol DownloadSink: Sendable {
  /// How many bytes it holds.
  var length: Int64 { get async }

  /// Adds bytes at the end; an error ends the download and is thrown to its caller.
  func append(_ bytes: ByteBuffer) async throws(TapedeckError)

  /// Drops every byte from `length` on.
  func cut(to length: Int64) async throws(TapedeckError)

  /// Bytes that it holds, to be compared with what the platform sends again; at most 64 KiB are asked for.
  func bytes(in range: Range<Int64>) async throws(TapedeckError) -> [UInt8]
}
