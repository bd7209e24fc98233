import Glibc
package import Model
import Synchronization

/// Slows down guessing: from the fifth wrong attempt for one name from one address on, each must wait longer.
///
/// Counted per name *and* address, so that nobody can lock somebody else out from another address; and, with more patience,
/// per address over all names. Behind a proxy that is not trusted all come from one address. What was counted is forgotten
/// bit by bit.
package final class SignInThrottle: Sendable {
  private struct Attempts {
    var count = 0
    var countedAt: Instant
    var openAt = Instant(milliseconds: .min)

    mutating func forget(until now: Instant, oneEvery interval: Duration) {
      let forgotten = max(0, (now - countedAt).milliseconds / interval.milliseconds)
      count = max(0, count - Int(clamping: forgotten))
      if count == 0 || forgotten > 0 { countedAt = now }
    }
  }

  /// What is counted together.
  private struct Counter {
    var key: String
    /// This many wrong attempts cost nothing.
    var free: Int
    /// After this long one attempt is forgotten.
    var interval: Duration
  }

  private let attempts = Mutex<[String: Attempts]>([:])
  private let maximumEntries = 10_000
  private static let longestWait: Duration = .seconds(300)

  package init() {}

  /// How many counters are kept; bounded.
  package var size: Int { attempts.withLock { $0.count } }

  /// Lets an attempt through and counts it as a wrong one, so that of many at the same moment only a few are let
  /// through; `recordSuccess` takes it back.
  ///
  /// - Throws: `signInThrottled` with the time to wait.
  package func admit(name: String, address: String, at now: Instant) throws(TapedeckError) {
    let counters = Self.counters(name: name, address: address)
    let closedUntil: Instant? = attempts.withLock { attempts in
      let openAt = counters.compactMap { attempts[$0.key]?.openAt }.max()
      // Nobody waits longer than this; else the clock was set back.
      if let openAt, openAt > now, openAt - now <= Self.longestWait { return openAt }
      if attempts.count >= maximumEntries { makeRoom(in: &attempts, at: now) }
      for counter in counters {
        var entry = attempts[counter.key] ?? Attempts(countedAt: now)
        entry.forget(until: now, oneEvery: counter.interval)
        entry.count += 1
        let excess = entry.count - counter.free
        // 1, 2, 4 … seconds, at most five minutes.
        if excess >= 0 { entry.openAt = now + min(Self.longestWait, .seconds(1 << min(excess, 9))) }
        attempts[counter.key] = entry
      }
      return nil
    }
    if let closedUntil { throw TapedeckError(.signInThrottled, retryAfter: closedUntil - now) }
  }

  package func recordSuccess(name: String, address: String, at now: Instant) {
    let counters = Self.counters(name: name, address: address)
    attempts.withLock { attempts in
      attempts[counters[0].key] = nil
      // Only the one attempt: an address from which one person signs in may be where another guesses.
      guard var entry = attempts[counters[1].key] else { return }
      entry.count = max(0, entry.count - 1)
      entry.openAt = now
      attempts[counters[1].key] = entry
    }
  }

  /// Forgets who need not wait; when that does not help, an attacker has so many addresses that counting by address
  /// is in vain, and memory matters more.
  private func makeRoom(in attempts: inout [String: Attempts], at now: Instant) {
    attempts = attempts.filter { $0.value.openAt > now }
    if attempts.count >= maximumEntries { attempts = [:] }
  }

  /// What counts as one address: of IPv6 the network, since whoever has one address has 2^64 of them.
  private static func place(of address: String) -> String {
    var bytes = in6_addr()
    guard inet_pton(AF_INET6, address, &bytes) == 1 else { return address }
    return withUnsafeBytes(of: bytes) { hex($0.prefix(8)) + "::/64" }
  }

  private static func counters(name: String, address: String) -> [Counter] {
    let address = place(of: address)
    return [
      Counter(key: "\(address) \(name.prefix(200))", free: 5, interval: .seconds(600)),
      Counter(key: address, free: 30, interval: .seconds(60)),
    ]
  }
}
