import Logging
import Model
import Synchronization

/// Says once that something fails, and once that it works again, however often it is tried in between.
final class Outage: Sendable {
  private let what: String
  private let logger: Logger
  private let isOngoing = Mutex(false)

  /// - Parameter what: what fails, as the beginning of a sentence.
  init(of what: String, logger: Logger) {
    self.what = what
    self.logger = logger
  }

  func failed(_ error: TapedeckError) {
    // Whoever is stopped has not failed.
    if error.code == .interrupted { return }
    let isNews = isOngoing.withLock { isOngoing in
      defer { isOngoing = true }
      return !isOngoing
    }
    guard isNews else { return }
    logger.error(
      "\(what) fails; it is tried until it works", metadata: ["error": "\(error)", "detail": "\(error.detail ?? "")"])
  }

  func worked() {
    let isNews = isOngoing.withLock { isOngoing in
      defer { isOngoing = false }
      return isOngoing
    }
    if isNews { logger.notice("\(what) works again") }
  }
}
