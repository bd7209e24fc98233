import HTTPTransport
import Model

/// Maps AsyncHTTPClient's errors, which have several unrelated types, to `TapedeckError`.
enum S3Transport {
  /// Maps an error of a request or of reading its answer; a `TapedeckError` is returned unchanged.
  static func failure(_ error: any Error) -> TapedeckError {
    if let error = error as? TapedeckError { return error }
    if Task.isCancelled || error is CancellationError { return TapedeckError(.interrupted, cause: error) }
    return failure(ConnectionProblem(error), detail: ConnectionProblem.detail(error), cause: error)
  }

  static func timeout(cause: (any Error)? = nil) -> TapedeckError {
    failure(.timeout, cause: cause)
  }

  private static func failure(
    _ problem: ConnectionProblem, detail: String? = nil, cause: (any Error)?
  ) -> TapedeckError {
    TapedeckError(
      .storageFailed, problem.message(about: "the object store") + " The request is retried.", detail: detail,
      cause: cause)
  }
}
