import Model
import Synchronization

/// The token for a source's calls, fetched when first needed and renewed before it expires.
///
/// `TokenState` makes the decisions; this class keeps the continuations and the task that fetches the token.
final class TokenStore: Sendable {
  private typealias Outcome = Result<AccessToken, TapedeckError>

  private struct Waiting {
    var state = TokenState()
    var continuations: [TokenState.Waiter: CheckedContinuation<Outcome, Never>] = [:]
    var nextWaiter: TokenState.Waiter = 0
    var renewal: Task<Void, Never>?
  }

  private let waiting = Mutex(Waiting())
  private let now: @Sendable () -> Instant
  private let fetch: @Sendable () async throws(TapedeckError) -> AccessToken

  init(
    now: @escaping @Sendable () -> Instant,
    fetch: @escaping @Sendable () async throws(TapedeckError) -> AccessToken
  ) {
    self.now = now
    self.fetch = fetch
  }

  /// The current token.
  ///
  /// - Throws: what the renewal threw, or `interrupted` when the task is cancelled while it waits.
  func token() async throws(TapedeckError) -> AccessToken {
    let waiter = waiting.withLock {
      $0.nextWaiter += 1
      return $0.nextWaiter
    }
    let outcome = await withTaskCancellationHandler {
      await withCheckedContinuation { (continuation: CheckedContinuation<Outcome, Never>) in
        if let outcome = ask(waiter, continuation) { continuation.resume(returning: outcome) }
      }
    } onCancel: {
      leave(waiter)
    }
    return try outcome.get()
  }

  /// Drops a refused token; the next caller fetches a new one unless that has already happened.
  func drop(_ token: AccessToken) { waiting.withLock { $0.state.drop(token) } }

  /// Nil when the continuation was kept and will be resumed.
  private func ask(_ waiter: TokenState.Waiter, _ continuation: CheckedContinuation<Outcome, Never>) -> Outcome? {
    waiting.withLock {
      // An earlier cancellation found no continuation to resume.
      if Task.isCancelled { return .failure(TapedeckError(.interrupted)) }
      switch $0.state.ask(waiter, now: now()) {
      case .use(let token): return .success(token)
      case .wait: break
      case .startRenewal(let renewal):
        // Unstructured, because it serves all waiting callers: the first one may be cancelled.
        $0.renewal = Task { await self.renew(renewal) }
      }
      $0.continuations[waiter] = continuation
      return nil
    }
  }

  private func leave(_ waiter: TokenState.Waiter) {
    let (continuation, renewal) = waiting.withLock {
      let left = $0.state.leave(waiter)
      let renewal: Task<Void, Never>? = if case .leftAlone = left { $0.renewal } else { nil }
      return (left == .nothing ? nil : $0.continuations.removeValue(forKey: waiter), renewal)
    }
    renewal?.cancel()
    continuation?.resume(returning: .failure(TapedeckError(.interrupted)))
  }

  @concurrent private func renew(_ renewal: TokenState.Renewal) async {
    let outcome: Outcome
    do {
      outcome = .success(try await fetch())
    } catch {
      outcome = .failure(error)
    }
    let resumed = waiting.withLock { waiting in
      waiting.state.end(renewal, token: try? outcome.get()).compactMap { waiting.continuations.removeValue(forKey: $0) }
    }
    for continuation in resumed { continuation.resume(returning: outcome) }
  }
}
