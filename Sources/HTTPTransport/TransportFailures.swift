package import Model

/// Maps the errors of requests to one server, which have several unrelated types, to `TapedeckError`.
package struct TransportFailures: Sendable {
  private let code: TapedeckError.Code
  private let server: String

  /// - Parameters:
  ///   - code: the code of a request without a complete response.
  ///   - server: a noun with its article, such as "the platform".
  package init(_ code: TapedeckError.Code, of server: String) {
    self.code = code
    self.server = server
  }

  /// Maps an error of a request or of reading its response; a `TapedeckError` is returned unchanged.
  package func failure(_ error: any Error) -> TapedeckError {
    if let error = error as? TapedeckError { return error }
    return Self.cancellation(error)
      ?? failure(ConnectionProblem(error), detail: ConnectionProblem.detail(error), cause: error)
  }

  /// The failure of a request that took too long.
  package func timeout(cause: (any Error)? = nil) -> TapedeckError { failure(.timeout, cause: cause) }

  /// `interrupted` when the task is cancelled or the error says so; nil otherwise.
  package static func cancellation(_ error: any Error) -> TapedeckError? {
    Task.isCancelled || error is CancellationError ? TapedeckError(.interrupted, cause: error) : nil
  }

  private func failure(
    _ problem: ConnectionProblem, detail: String? = nil, cause: (any Error)?
  ) -> TapedeckError {
    TapedeckError(
      code, problem.message(about: server) + " The request will be retried.", detail: detail, cause: cause)
  }
}

extension TapedeckError {
  /// Why a request of an adapter received no complete response; nil when it received one, or was not sent.
  package var connectionProblem: ConnectionProblem? {
    guard code == .platformUnavailable, let cause else { return nil }
    // A request that took too long was cancelled.
    return cause is TapedeckError ? .timeout : ConnectionProblem(cause)
  }
}
