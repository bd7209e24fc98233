package import Model
import Synchronization

/// The queue in front of a source's allowance: every request to the platform waits here for its turn.
///
/// One task takes permits for all waiting requests, so that a remote store needs one access for many.
package final class RequestBudget: Sendable {
  /// Requests wait in the queue during a pause up to this long. A longer pause is reported as an error, so that the job
  /// can be released and resumed later.
  static let maxPauseInQueue: Duration = .seconds(30)

  /// The outcome of a request, as far as it affects other requests.
  package enum Outcome: Sendable, Equatable {
    case accepted
    /// No response, or a failure of the platform.
    case failed
    /// 429, with the delay in `Retry-After`.
    case refused(retryAfter: Duration?)
    /// 503 with `Retry-After`.
    case unavailable(retryAfter: Duration)
  }

  private let source: SourceID
  private let store: any AllowanceStore
  private let system: SystemServices
  private let state = Mutex(State())

  package init(source: SourceID = .default, store: any AllowanceStore, system: SystemServices) {
    self.source = source
    self.store = store
    self.system = system
  }

  /// Waits until a request may be sent. Waiting requests are ordered by the task's priority; then requesters take
  /// turns, each with its requests in order of arrival.
  ///
  /// - Throws: `platformRateLimited` during a long pause, `interrupted` when the task is cancelled, and what the store
  ///   throws.
  package func take(_ kind: RequestClass) async throws(TapedeckError) {
    // All other requests wait for the token.
    let ticket = RequestTicket(kind, kind == .token ? .fresh : Priority.current)
    let id = state.withLock { $0.queue.makeID() }
    let outcome = await withTaskCancellationHandler {
      await withCheckedContinuation { (continuation: CheckedContinuation<Result<Void, TapedeckError>, Never>) in
        let (isRefused, mustServe) = state.withLock { state in
          // An earlier cancellation found no continuation to resume.
          if Task.isCancelled { return (true, false) }
          // The first request of its kind may have its turn before those already waiting.
          if state.queue.add(id, ticket, by: Requester.current, continuation) { state.wake() }
          defer { state.isServed = true }
          return (false, !state.isServed)
        }
        if isRefused { continuation.resume(returning: .failure(TapedeckError(.interrupted))) }
        // Unstructured, because it serves all waiting requests; it ends when the queue is empty.
        if mustServe { Task { await self.serve() } }
      }
    } onCancel: {
      state.withLock { state in
        defer { if state.queue.isEmpty { state.wake() } }
        return state.queue.remove(id)
      }?.resume(returning: .failure(TapedeckError(.interrupted)))
    }
    try outcome.get()
  }

  /// Reports the outcome of a request. Returns after the store has been updated, where others depend on it.
  package func report(_ outcome: Outcome) async {
    let changed = state.withLock { state in
      state.outcomes.add(outcome, random: system.random())
      // Any other outcome is reported with the next access to the store, unless all requests wait for it.
      return state.isOnTrial || !state.outcomes.pauses.isEmpty
    }
    guard changed else { return }
    do {
      try await change { _, _ in }
    } catch {
      // The outcomes are kept and reported with the next access to the store.
    }
    state.withLock { state in
      state.isOnTrial = false
      state.wake()
    }
  }

  /// Counts a retry.
  ///
  /// - Throws: `retryBudgetSpent` when there were too many, and what the store throws.
  package func admitRetry() async throws(TapedeckError) {
    if let wait = try await change({ $0.admitRetry(now: $1) }) {
      throw TapedeckError(.retryBudgetSpent, retryAfter: wait)
    }
  }

  /// Counts a retry that cannot be postponed; it reduces the share left for other retries.
  package func countRetry() { state.withLock { $0.outcomes.retries += 1 } }

  /// The request rate of the source.
  ///
  /// - Throws: what the store throws.
  package func status() async throws(TapedeckError) -> RateLimitStatus {
    let source = source
    return try await change { RateLimitStatus($0, of: source, now: $1) }
  }

  // MARK: Serving

  private func serve() async {
    while let (ids, tickets) = state.withLock({ $0.next() }) {
      do {
        let grants = try await change { $0.take(tickets, now: $1) }
        resume(ids, with: grants)
        if let wait = grants.wait { await rest(for: wait) }
      } catch {
        let waiters = state.withLock { state in ids.compactMap { state.queue.remove($0) } }
        for waiter in waiters { waiter.resume(returning: .failure(error)) }
      }
    }
  }

  private func resume(_ ids: [RequestQueue.ID], with grants: Grants) {
    let isTooLong = grants.isPaused && grants.wait.map { $0 > Self.maxPauseInQueue } ?? false
    let waiters = state.withLock { state in
      state.isOnTrial = grants.isTrial || (state.isOnTrial && grants.granted.isEmpty)
      return (isTooLong ? ids : grants.granted.map { ids[$0] }).compactMap { state.queue.remove($0) }
    }
    let result: Result<Void, TapedeckError> =
      isTooLong ? .failure(TapedeckError(.platformRateLimited, retryAfter: grants.wait)) : .success(())
    for waiter in waiters { waiter.resume(returning: result) }
  }

  /// Sleeps until the time is over or an event may allow a request.
  private func rest(for wait: Duration) async {
    let sleep = system.sleep
    let timer: Task<Void, Never>? = state.withLock { state in
      guard !state.isWoken, !state.queue.isEmpty else { return nil }
      // Unstructured, so that `wake()` can cancel it.
      let timer = Task { _ = try? await sleep(wait) }
      state.timer = timer
      return timer
    }
    await timer?.value
    state.withLock { $0.timer = nil }
  }

  /// Changes the allowance after recording the outcomes since the last change; unrecorded outcomes are kept.
  private func change<T: Sendable>(
    _ body: @escaping @Sendable (inout RequestAllowance, Instant) -> T
  ) async throws(TapedeckError) -> T {
    let outcomes = state.withLock { state in
      defer { state.outcomes = RequestOutcomes() }
      return state.outcomes
    }
    do {
      return try await store.change { allowance, now in
        allowance.note(outcomes, now: now)
        return body(&allowance, now)
      }
    } catch {
      state.withLock { $0.outcomes.prepend(outcomes) }
      throw error
    }
  }
}

extension RequestBudget {
  private struct State {
    var queue = RequestQueue()
    /// Whether a task takes permits for the waiting requests.
    var isServed = false
    var timer: Task<Void, Never>?
    /// Whether an event occurred since permits were last taken.
    var isWoken = false
    /// Whether all requests wait for the outcome of a request of this process.
    var isOnTrial = false
    var outcomes = RequestOutcomes()

    mutating func wake() {
      isWoken = true
      timer?.cancel()
    }

    /// The requests to take permits for now. Nil when none are waiting; serving ends then.
    mutating func next() -> (ids: [RequestQueue.ID], tickets: [RequestTicket])? {
      isWoken = false
      guard !queue.isEmpty else {
        isServed = false
        return nil
      }
      return queue.first
    }
  }
}

extension RequestOutcomes {
  fileprivate mutating func add(_ outcome: RequestBudget.Outcome, random: Double) {
    switch outcome {
    case .accepted:
      accepted += 1
      isFailing = false
    case .failed: isFailing = true
    case .refused(let retryAfter): pauses.append(.refused(retryAfter: retryAfter, random: random))
    case .unavailable(let retryAfter): pauses.append(.unavailable(retryAfter: retryAfter))
    }
  }
}
