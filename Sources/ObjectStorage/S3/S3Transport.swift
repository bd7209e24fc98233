import AsyncHTTPClient
import Glibc
import Model
import NIOCore
import NIOHTTP1

/// What AsyncHTTPClient's errors mean. They come as several unrelated types, depending on where a connection broke.
enum S3Transport {
  /// How a request or the body of its answer failed. What our own code threw stays as it is.
  static func failure(_ error: any Error) -> TapedeckError {
    if let error = error as? TapedeckError { return error }
    if Task.isCancelled || error is CancellationError { return TapedeckError(.interrupted, cause: error) }
    if isTimeout(error) { return timeout(cause: error) }
    return TapedeckError(
      .storageFailed, "The object store could not be reached, or the connection broke. It is tried again.",
      detail: words(error), cause: error)
  }

  static func timeout(cause: (any Error)? = nil) -> TapedeckError {
    TapedeckError(.storageFailed, "The object store did not answer in time. It is tried again.", cause: cause)
  }

  /// Whether the other side ended the connection before it said anything.
  static func wasClosed(_ error: any Error) -> Bool {
    if let error = error as? HTTPClientError { return error == .remoteConnectionClosed }
    return (error as? IOError).map { [ECONNRESET, EPIPE].contains($0.errnoCode) } ?? false
  }

  private static func isTimeout(_ error: any Error) -> Bool {
    let timeouts: [HTTPClientError] = [
      .connectTimeout, .readTimeout, .writeTimeout, .deadlineExceeded, .tlsHandshakeTimeout,
      .getConnectionFromPoolTimeout, .httpProxyHandshakeTimeout, .socksHandshakeTimeout,
    ]
    return (error as? HTTPClientError).map(timeouts.contains) ?? false
  }

  /// The error in words for the log. `HTTPClientError`'s long description can quote header values, so a signature.
  private static func words(_ error: any Error) -> String {
    switch error {
    case let error as HTTPClientError: error.shortDescription
    case let error as HTTPParserError: "the answer broke HTTP's framing: \(error)"
    case let error as IOError: error.description
    default: "\(type(of: error)): \(String(describing: error).prefix(500))"
    }
  }
}
