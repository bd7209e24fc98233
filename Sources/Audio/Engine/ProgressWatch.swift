import Model
import Synchronization

/// Measures the time since a conversion last made progress, excluding the time in which it had no work.
final class ProgressWatch: Sendable {
  /// Nil while there is no work. At first, because starting a process on a busy machine takes time.
  private let since = Mutex<ContinuousClock.Instant?>(nil)

  /// Data was read or written; restarts the time limit.
  func progressed() { since.withLock { if $0 != nil { $0 = .now } } }

  /// There is no work until the next `resume()`; suspends the time limit.
  func pause() { since.withLock { $0 = nil } }

  /// There is work again; restarts the time limit.
  func resume() { since.withLock { $0 = .now } }

  /// Returns when the task is cancelled.
  ///
  /// - Throws: `conversionTimedOut` when there was no progress for `limit`.
  func watch(limit: Duration) async throws(TapedeckError) {
    while true {
      let left = since.withLock { since in since.map { limit - (ContinuousClock.now - $0) } ?? limit }
      guard left > .zero else {
        throw TapedeckError(
          .conversionTimedOut, detail: "the conversion made no progress for \(limit.inSeconds) s and was killed")
      }
      if (try? await Task.sleep(for: left)) == nil { return }
    }
  }
}
