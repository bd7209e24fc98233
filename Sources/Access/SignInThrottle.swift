package import Model
import Synchronization

/// Slows down guessing: after five failures for one name from one address, each further attempt must wait longer.
///
/// Counted per name *and* address, so that nobody can lock somebody else out; and per address over all names.
package final class SignInThrottle: Sendable {
  private struct Failures {
    var count = 0
    var openAt = Instant(milliseconds: 0)
  }

  private let failures = Mutex<[String: Failures]>([:])
  private let maximumEntries = 10_000

  package init() {}

  /// - Throws: `signInThrottled` with the time to wait.
  package func admit(name: String, address: String, at now: Instant) throws(TapedeckError) {
    let openAt = failures.withLock { failures in
      Self.keys(name: name, address: address).compactMap { failures[$0.key]?.openAt }.max()
    }
    if let openAt, openAt > now { throw TapedeckError(.signInThrottled, retryAfter: openAt - now) }
  }

  package func recordFailure(name: String, address: String, at now: Instant) {
    failures.withLock { failures in
      if failures.count > maximumEntries { failures = failures.filter { $0.value.openAt > now } }
      for (key, free) in Self.keys(name: name, address: address) {
        var entry = failures[key] ?? Failures()
        entry.count += 1
        let excess = entry.count - free
        // 1, 2, 4 … seconds, at most five minutes; forgotten ten minutes after the last wait.
        if excess >= 0 { entry.openAt = now + .seconds(min(300, 1 << min(excess, 9))) }
        failures[key] = entry
      }
    }
  }

  package func recordSuccess(name: String, address: String) {
    failures.withLock { _ = $0.removeValue(forKey: Self.keys(name: name, address: address)[0].key) }
  }

  private static func keys(name: String, address: String) -> [(key: String, free: Int)] {
    [("\(address) \(name.prefix(200))", 5), (address, 30)]
  }
}
