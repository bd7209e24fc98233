import Logging
import Model
import Synchronization

/// Logs once that an operation fails, and once that it works again, however often it is retried in between.
final class FailureReporter: Sendable {
  private let what: String
  private let logger: Logger
  private let isOngoing = Mutex(false)

  /// - Parameter what: the operation, as the subject of a sentence.
  init(of what: String, logger: Logger) {
    self.what = what
    self.logger = logger
  }

  func failed(_ error: TapedeckError) {
    // Cancellation is not a failure.
    if error.code == .interrupted { return }
    let changed = isOngoing.withLock { isOngoing in
      defer { isOngoing = true }
      return !isOngoing
    }
    guard changed else { return }
    logger.error(
      "\(what) fails; it is retried until it works", metadata: ["error": "\(error)", "detail": "\(error.detail ?? "")"])
  }

  func worked() {
    let changed = isOngoing.withLock { isOngoing in
      defer { isOngoing = false }
      return isOngoing
    }
    if changed { logger.notice("\(what) works again") }
  }
}
