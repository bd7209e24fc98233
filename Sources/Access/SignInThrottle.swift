package import Model
import Synchronization

/// Slows down password guessing: after the fifth failed attempt for a name from one address, each attempt waits longer.
///
/// Attempts are counted per name *and* address, so that a user cannot be locked out from another address, and with a
/// higher limit per address for all names. Behind an untrusted proxy all users share one address. Counts decay over
/// time.
package final class SignInThrottle: Sendable {
  private struct Attempts {
    var count = 0
    var countedAt: Instant
    var openAt = Instant(milliseconds: .min)

    mutating func forget(until now: Instant, oneEvery interval: Duration) {
      // The clock was set back; otherwise nothing would be forgotten until it has caught up.
      if countedAt > now { countedAt = now }
      let forgotten = max(0, (now - countedAt).milliseconds / interval.milliseconds)
      count = max(0, count - Int(clamping: forgotten))
      if count == 0 || forgotten > 0 { countedAt = now }
    }
  }

  /// A count and its limit.
  private struct Counter {
    var key: String
    /// How many failed attempts are allowed without a wait.
    var free: Int
    /// One attempt is forgotten after each interval.
    var interval: Duration
  }

  private let attempts = Mutex<[String: Attempts]>([:])
  /// When a sign-in from each network last succeeded.
  private let successes = Mutex<[String: Instant]>([:])
  private let maximumEntries = 10_000
  private static let maxWait: Duration = .seconds(300)
  /// How long an address stays known after a sign-in.
  private static let knownFor: Duration = .seconds(30 * 86_400)

  package init() {}

  /// The number of counters in memory; bounded.
  package var size: Int { attempts.withLock { $0.count } }

  /// Admits an attempt and counts it as a failure, so that only a few of many concurrent attempts are admitted;
  /// `recordSuccess` undoes the count.
  ///
  /// - Throws: `signInThrottled` with the time to wait.
  package func admit(name: String, address: String, at now: Instant) throws(TapedeckError) {
    let counters = Self.counters(name: name, address: address)
    let closedUntil: Instant? = attempts.withLock { attempts in
      let openAt = counters.compactMap { attempts[$0.key]?.openAt }.max()
      // A longer wait means that the clock was set back.
      if let openAt, openAt > now, openAt - now <= Self.maxWait { return openAt }
      if attempts.count >= maximumEntries { evictEntries(in: &attempts, at: now) }
      for counter in counters {
        var entry = attempts[counter.key] ?? Attempts(countedAt: now)
        entry.forget(until: now, oneEvery: counter.interval)
        entry.count += 1
        let excess = entry.count - counter.free
        // 1, 2, 4 … seconds, up to five minutes.
        if excess >= 0 { entry.openAt = now + min(Self.maxWait, .seconds(1 << min(excess, 9))) }
        attempts[counter.key] = entry
      }
      return nil
    }
    if let closedUntil { throw TapedeckError(.signInThrottled, retryAfter: closedUntil - now) }
  }

  /// The place of an address in the queue of password hashes.
  package func place(of address: String, at now: Instant) -> PasswordHasher.Place {
    let network = IPNetwork.client(of: address)
    let last = successes.withLock { $0[network] }
    return PasswordHasher.Place(network, isKnown: last.map { $0.isWithin(Self.knownFor, before: now) } ?? false)
  }

  /// Clears the count of a name and address after a successful sign-in, and makes the address known.
  package func recordSuccess(name: String, address: String, at now: Instant) {
    successes.withLock { successes in
      if successes.count >= maximumEntries {
        successes = successes.filter { $0.value.isWithin(Self.knownFor, before: now) }
      }
      if successes.count >= maximumEntries { successes = [:] }
      successes[IPNetwork.client(of: address)] = now
    }
    let counters = Self.counters(name: name, address: address)
    attempts.withLock { attempts in
      attempts[counters[0].key] = nil
      // Undo this attempt only: other users of the same address may be guessing.
      guard var entry = attempts[counters[1].key] else { return }
      entry.count = max(0, entry.count - 1)
      entry.openAt = now
      attempts[counters[1].key] = entry
    }
  }

  /// Drops counters without a wait. If that is not enough, an attacker has so many addresses that counting by address
  /// has no effect, and all counters are dropped to bound memory.
  private func evictEntries(in attempts: inout [String: Attempts], at now: Instant) {
    attempts = attempts.filter { $0.value.openAt > now }
    if attempts.count >= maximumEntries { attempts = [:] }
  }

  private static func counters(name: String, address: String) -> [Counter] {
    let address = IPNetwork.client(of: address)
    return [
      Counter(key: "\(address) \(name.prefix(200))", free: 5, interval: .seconds(600)),
      Counter(key: address, free: 30, interval: .seconds(60)),
    ]
  }
}
