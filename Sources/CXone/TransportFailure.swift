import AsyncHTTPClient
import Foundation
import Model
import NIOCore
import NIOHTTP1

/// What AsyncHTTPClient's errors mean. They come as several unrelated types, depending on where a connection broke.
enum TransportFailure {
  /// How a request failed that got no answer.
  static func beforeAnswer(_ error: any Error) -> TapedeckError {
    if Task.isCancelled || error is CancellationError { return TapedeckError(.interrupted, cause: error) }
    if isTimeout(error) { return timeout(cause: error) }
    return TapedeckError(
      .platformUnavailable, "The platform could not be reached, or the connection broke. It is tried again.",
      detail: words(error), cause: error)
  }

  /// How the body of a download broke; what came before is held.
  static func inBody(_ error: any Error) -> TapedeckError {
    if Task.isCancelled || error is CancellationError { return TapedeckError(.interrupted, cause: error) }
    return TapedeckError(.downloadInterrupted, detail: words(error), cause: error)
  }

  static func timeout(cause: (any Error)? = nil) -> TapedeckError {
    TapedeckError(.platformUnavailable, "The platform did not answer in time. It is tried again.", cause: cause)
  }

  private static func isTimeout(_ error: any Error) -> Bool {
    let timeouts: [HTTPClientError] = [
      .connectTimeout, .readTimeout, .writeTimeout, .deadlineExceeded, .tlsHandshakeTimeout,
      .getConnectionFromPoolTimeout, .httpProxyHandshakeTimeout, .socksHandshakeTimeout,
    ]
    return (error as? HTTPClientError).map(timeouts.contains) ?? false
  }

  /// The error in words for the log. `HTTPClientError`'s long description can quote header values, so a secret.
  private static func words(_ error: any Error) -> String {
    switch error {
    case let error as HTTPClientError: error.shortDescription
    case HTTPParserError.invalidEOFState: "the connection was closed before the end of the answer"
    case let error as HTTPParserError: "the answer broke HTTP's framing: \(error)"
    case let error as IOError where error.errnoCode == ECONNRESET:
      "the connection was reset before the end of the answer"
    case let error as IOError: "\(error.description)"
    default: "\(type(of: error)): \(String(describing: error).prefix(500))"
    }
  }
}
