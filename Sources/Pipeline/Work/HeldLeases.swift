import Catalog
import Model
import Synchronization

/// The leases that this process holds; ends the stream of each lease that is lost.
final class HeldLeases: Sendable {
  private struct Held {
    /// The uptime until which no other worker can claim the job, unless it is cancelled.
    var safeUntil: Duration
    var loss: AsyncStream<Void>.Continuation
  }

  private let leases = Mutex<[JobLease: Held]>([:])

  var all: [JobLease] { leases.withLock { Array($0.keys) } }

  /// The uptime at which the first lease is no longer safe; nil when none is held.
  var firstEnd: Duration? { leases.withLock { $0.values.map(\.safeUntil).min() } }

  /// - Returns: a stream that ends when the lease is lost.
  func insert(_ lease: JobLease, safeUntil: Duration) -> AsyncStream<Void> {
    let (stream, continuation) = AsyncStream.makeStream(of: Void.self)
    leases.withLock { $0[lease] = Held(safeUntil: safeUntil, loss: continuation) }
    return stream
  }

  func remove(_ lease: JobLease) { leases.withLock { $0.removeValue(forKey: lease) }?.loss.finish() }

  func renew(_ renewed: some Sequence<JobLease>, safeUntil: Duration) {
    leases.withLock { leases in
      for lease in renewed { leases[lease]?.safeUntil = safeUntil }
    }
  }

  /// Removes the leases that could not be renewed in time and ends their streams.
  ///
  /// - Returns: the number of lost leases.
  func loseUnsafe(uptime: Duration) -> Int {
    let lost = leases.withLock { leases in leases.filter { $0.value.safeUntil <= uptime } }
    for lease in lost.keys { remove(lease) }
    return lost.count
  }
}
