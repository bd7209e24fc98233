import Catalog
import Model
import Synchronization

/// The leases that this process holds, and whom to tell when one is lost.
final class HeldLeases: Sendable {
  private struct Held {
    /// Until then, by the uptime, no other worker can have the job, unless it was cancelled.
    var safeUntil: Duration
    var loss: AsyncStream<Void>.Continuation
  }

  private let leases = Mutex<[JobLease: Held]>([:])

  var all: [JobLease] { leases.withLock { Array($0.keys) } }

  /// When the first lease ceases to be safe; nil when none is held.
  var firstEnd: Duration? { leases.withLock { $0.values.map(\.safeUntil).min() } }

  /// - Returns: a stream that ends when the lease is lost.
  func insert(_ lease: JobLease, safeUntil: Duration) -> AsyncStream<Void> {
    let (stream, continuation) = AsyncStream.makeStream(of: Void.self)
    leases.withLock { $0[lease] = Held(safeUntil: safeUntil, loss: continuation) }
    return stream
  }

  func remove(_ lease: JobLease) { leases.withLock { $0.removeValue(forKey: lease) }?.loss.finish() }

  func prolong(_ prolonged: some Sequence<JobLease>, safeUntil: Duration) {
    leases.withLock { leases in
      for lease in prolonged { leases[lease]?.safeUntil = safeUntil }
    }
  }

  /// Tells those who work on jobs whose lease could not be prolonged in time.
  ///
  /// - Returns: how many there are.
  func loseUnsafe(uptime: Duration) -> Int {
    let lost = leases.withLock { leases in leases.filter { $0.value.safeUntil <= uptime } }
    for lease in lost.keys { remove(lease) }
    return lost.count
  }
}
