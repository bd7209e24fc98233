package import Model

/// Which callers wait for a token, and whether one must be fetched. Pure: each event returns what to do.
///
/// One renewal runs at a time for all waiting callers. It is cancelled only when the last of them leaves.
package struct TokenState {
  package typealias Waiter = UInt64
  package typealias Renewal = UInt64

  package enum OnAsk: Equatable, Sendable {
    case use(AccessToken)
    case startRenewal(Renewal)
    /// The running renewal will resume this waiter.
    case wait
  }

  package enum OnLeave: Equatable, Sendable {
    /// Already resumed.
    case nothing
    /// Removed.
    case left
    /// Removed, and no other caller waits for the renewal.
    case leftAlone(Renewal)
  }

  private enum Phase {
    case empty
    case held(AccessToken)
    case renewing(Renewal, waiters: Set<Waiter>)
  }

  private var phase = Phase.empty
  private var renewals: Renewal = 0

  package init() {}

  /// A caller needs a token; it waits unless it is given one.
  package mutating func ask(_ waiter: Waiter, now: Instant) -> OnAsk {
    switch phase {
    case .held(let token) where now < token.renewAt: return .use(token)
    case .renewing(let renewal, var waiters):
      waiters.insert(waiter)
      phase = .renewing(renewal, waiters: waiters)
      return .wait
    case .empty, .held:
      renewals += 1
      phase = .renewing(renewals, waiters: [waiter])
      return .startRenewal(renewals)
    }
  }

  /// A waiting caller leaves.
  package mutating func leave(_ waiter: Waiter) -> OnLeave {
    guard case .renewing(let renewal, var waiters) = phase, waiters.remove(waiter) != nil else { return .nothing }
    if waiters.isEmpty {
      phase = .empty
      return .leftAlone(renewal)
    }
    phase = .renewing(renewal, waiters: waiters)
    return .left
  }

  /// A renewal ended, with or without a token; returns the callers to resume.
  package mutating func end(_ renewal: Renewal, token: AccessToken?) -> Set<Waiter> {
    guard case .renewing(renewal, let waiters) = phase else { return [] }
    phase = token.map { .held($0) } ?? .empty
    return waiters
  }

  /// The platform refused a token. It is dropped only while it is in use; a newer token is left alone.
  package mutating func drop(_ token: AccessToken) {
    if case .held(let held) = phase, held.value == token.value { phase = .empty }
  }
}
