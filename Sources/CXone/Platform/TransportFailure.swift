import HTTPTransport
import Model

/// Maps errors of the HTTP client to those of the platform.
enum TransportFailure {
  /// A request failed before its response arrived.
  static func beforeAnswer(_ error: any Error) -> TapedeckError {
    if Task.isCancelled || error is CancellationError { return TapedeckError(.interrupted, cause: error) }
    return unavailable(ConnectionProblem(error), detail: ConnectionProblem.detail(error), cause: error)
  }

  /// The body of a download broke off; the bytes received before are kept.
  static func inBody(_ error: any Error) -> TapedeckError {
    if Task.isCancelled || error is CancellationError { return TapedeckError(.interrupted, cause: error) }
    return TapedeckError(.downloadInterrupted, detail: ConnectionProblem.detail(error), cause: error)
  }

  static func timeout(cause: (any Error)? = nil) -> TapedeckError { unavailable(.timeout, cause: cause) }

  private static func unavailable(
    _ problem: ConnectionProblem, detail: String? = nil, cause: (any Error)?
  ) -> TapedeckError {
    TapedeckError(
      .platformUnavailable, problem.message(about: "the platform") + " The request will be retried.", detail: detail,
      cause: cause)
  }
}
