import AsyncHTTPClient
import Glibc
import Model
import NIOCore
import NIOHTTP1

/// Maps AsyncHTTPClient's errors, which have several unrelated types, to `TapedeckError`.
enum S3Transport {
  /// Maps an error of a request or of reading its answer; a `TapedeckError` is returned unchanged.
  static func failure(_ error: any Error) -> TapedeckError {
    if let error = error as? TapedeckError { return error }
    if Task.isCancelled || error is CancellationError { return TapedeckError(.interrupted, cause: error) }
    if isTimeout(error) { return timeout(cause: error) }
    return TapedeckError(
      .storageFailed, "The object store could not be reached, or the connection broke. The request is retried.",
      detail: detail(error), cause: error)
  }

  static func timeout(cause: (any Error)? = nil) -> TapedeckError {
    TapedeckError(.storageFailed, "The object store did not answer in time. The request is retried.", cause: cause)
  }

  /// Whether the server closed the connection without an answer.
  static func wasClosed(_ error: any Error) -> Bool {
    switch error {
    case let error as HTTPClientError: error == .remoteConnectionClosed
    case let error as ChannelError: error == .ioOnClosedChannel || error == .alreadyClosed
    case let error as IOError: [ECONNRESET, EPIPE].contains(error.errnoCode)
    default: false
    }
  }

  private static func isTimeout(_ error: any Error) -> Bool {
    let timeouts: [HTTPClientError] = [
      .connectTimeout, .readTimeout, .writeTimeout, .deadlineExceeded, .tlsHandshakeTimeout,
      .getConnectionFromPoolTimeout, .httpProxyHandshakeTimeout, .socksHandshakeTimeout,
    ]
    return (error as? HTTPClientError).map(timeouts.contains) ?? false
  }

  /// The error for the log. The long description of `HTTPClientError` can quote header values, and so a signature.
  private static func detail(_ error: any Error) -> String {
    switch error {
    case let error as HTTPClientError: error.shortDescription
    case let error as HTTPParserError: "the answer is not valid HTTP: \(error)"
    case let error as IOError: error.description
    default: "\(type(of: error)): \(String(describing: error).prefix(500))"
    }
  }
}
