import AsyncHTTPClient
import Foundation
import Model
import NIOCore
import NIOHTTP1

/// Maps errors of AsyncHTTPClient, which have several unrelated types depending on where a connection failed.
enum TransportFailure {
  /// A request failed before its response arrived.
  static func beforeAnswer(_ error: any Error) -> TapedeckError {
    if Task.isCancelled || error is CancellationError { return TapedeckError(.interrupted, cause: error) }
    if isTimeout(error) { return timeout(cause: error) }
    return TapedeckError(
      .platformUnavailable, "The platform could not be reached, or the connection broke. The request will be retried.",
      detail: detail(error), cause: error)
  }

  /// The body of a download broke off; the bytes received before are kept.
  static func inBody(_ error: any Error) -> TapedeckError {
    if Task.isCancelled || error is CancellationError { return TapedeckError(.interrupted, cause: error) }
    return TapedeckError(.downloadInterrupted, detail: detail(error), cause: error)
  }

  static func timeout(cause: (any Error)? = nil) -> TapedeckError {
    TapedeckError(
      .platformUnavailable, "The platform did not respond in time. The request will be retried.", cause: cause)
  }

  private static func isTimeout(_ error: any Error) -> Bool {
    let timeouts: [HTTPClientError] = [
      .connectTimeout, .readTimeout, .writeTimeout, .deadlineExceeded, .tlsHandshakeTimeout,
      .getConnectionFromPoolTimeout, .httpProxyHandshakeTimeout, .socksHandshakeTimeout,
    ]
    return (error as? HTTPClientError).map(timeouts.contains) ?? false
  }

  /// Describes an error for the log. The long description of `HTTPClientError` can contain header values, including
  /// secrets.
  private static func detail(_ error: any Error) -> String {
    switch error {
    case let error as HTTPClientError: error.shortDescription
    case HTTPParserError.invalidEOFState: "the connection was closed before the end of the response"
    case let error as HTTPParserError: "the response violates HTTP framing: \(error)"
    case let error as IOError where error.errnoCode == ECONNRESET:
      "the connection was reset before the end of the response"
    case let error as IOError: "\(error.description)"
    default: "\(type(of: error)): \(String(describing: error).prefix(500))"
    }
  }
}
