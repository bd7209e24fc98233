package import Model
import Synchronization

/// The line in front of a source's allowance: everybody who wants to ask the platform waits here for their turn.
///
/// One task at a time draws for all who wait, so that a store that is far away is asked once for many.
package final class RequestBudget: Sendable {
  /// Callers stand in line through a silence up to this long; a longer one is reported to them, so that nobody sleeps
  /// over work that can be put down and taken up again later.
  static let longestSilenceInLine: Duration = .seconds(30)

  /// What the platform's answer to a request was, as far as it concerns the others.
  package enum Outcome: Sendable, Equatable {
    case accepted
    /// No answer, or a failure of the platform.
    case failed
    /// 429, with what `Retry-After` said.
    case refused(retryAfter: Duration?)
    /// 503 that says for how long.
    case unavailable(retryAfter: Duration)
  }

  private let source: SourceID
  private let store: any AllowanceStore
  private let surroundings: Surroundings
  private let state = Mutex(State())

  package init(source: SourceID = .default, store: any AllowanceStore, surroundings: Surroundings) {
    self.source = source
    self.store = store
    self.surroundings = surroundings
  }

  /// Waits until a request may be made. Among those who wait, the current task's priority counts, then who came first.
  ///
  /// - Throws: `platformRateLimited` during a long silence, `interrupted` when the task is cancelled, and what the store
  ///   throws.
  package func take(_ kind: RequestClass) async throws(TapedeckError) {
    // Every other call waits for the token.
    let wish = RequestWish(kind, kind == .token ? .fresh : Priority.current)
    let ticket = state.withLock { $0.line.makeTicket() }
    let outcome = await withTaskCancellationHandler {
      await withCheckedContinuation { (continuation: CheckedContinuation<Result<Void, TapedeckError>, Never>) in
        let (isRefused, mustServe) = state.withLock { state in
          // A cancellation that came before this line found nobody to call back.
          if Task.isCancelled { return (true, false) }
          // Whoever is the first of their kind may have a turn before those who wait.
          if state.line.add(ticket, wish, continuation) { state.wake() }
          defer { state.isServed = true }
          return (false, !state.isServed)
        }
        if isRefused { continuation.resume(returning: .failure(TapedeckError(.interrupted))) }
        // Unstructured, because it serves all who wait; it ends when the line is empty.
        if mustServe { Task { await self.serve() } }
      }
    } onCancel: {
      state.withLock { state in
        defer { if state.line.isEmpty { state.wake() } }
        return state.line.remove(ticket)
      }?.resume(returning: .failure(TapedeckError(.interrupted)))
    }
    try outcome.get()
  }

  /// Says what became of a request. Returns when everybody knows of it who must.
  package func report(_ outcome: Outcome) async {
    let isNews = state.withLock { state in
      state.outcomes.add(outcome, random: surroundings.random())
      // Anything else is told with the next draw, unless everybody waits for it.
      return state.isOnTrial || !state.outcomes.silences.isEmpty
    }
    guard isNews else { return }
    do {
      try await change { _, _ in }
    } catch {
      // It is told with the next draw; without the store there is none.
    }
    state.withLock { state in
      state.isOnTrial = false
      state.wake()
    }
  }

  /// Counts a request that is made again after a failure.
  ///
  /// - Throws: `retryBudgetSpent` when too many were, and what the store throws.
  package func admitRetry() async throws(TapedeckError) {
    if let wait = try await change({ $0.admitRetry(now: $1) }) {
      throw TapedeckError(.retryBudgetSpent, retryAfter: wait)
    }
  }

  /// Counts a request that is made again and cannot be put off: it is among those that let others wait.
  package func countRetry() { state.withLock { $0.outcomes.retries += 1 } }

  /// How much is being asked of the source.
  ///
  /// - Throws: what the store throws.
  package func standing() async throws(TapedeckError) -> SourceStanding {
    let source = source
    return try await change { SourceStanding($0, of: source, now: $1) }
  }

  // MARK: Serving

  private func serve() async {
    while let (tickets, wishes) = state.withLock({ $0.next() }) {
      do {
        let grant = try await change { $0.draw(wishes, now: $1) }
        answer(tickets, with: grant)
        if let wait = grant.wait { await rest(for: wait) }
      } catch {
        let waiters = state.withLock { state in tickets.compactMap { state.line.remove($0) } }
        for waiter in waiters { waiter.resume(returning: .failure(error)) }
      }
    }
  }

  private func answer(_ tickets: [PermitLine.Ticket], with grant: RequestGrant) {
    let isTooLong = grant.isPaused && grant.wait.map { $0 > Self.longestSilenceInLine } ?? false
    let waiters = state.withLock { state in
      state.isOnTrial = grant.isTrial || (state.isOnTrial && grant.granted.isEmpty)
      return (isTooLong ? tickets : grant.granted.map { tickets[$0] }).compactMap { state.line.remove($0) }
    }
    let result: Result<Void, TapedeckError> =
      isTooLong ? .failure(TapedeckError(.platformRateLimited, retryAfter: grant.wait)) : .success(())
    for waiter in waiters { waiter.resume(returning: result) }
  }

  /// Sleeps, unless something happens meanwhile that may let somebody go.
  private func rest(for wait: Duration) async {
    let sleep = surroundings.sleep
    let nap: Task<Void, Never>? = state.withLock { state in
      guard !state.isWoken, !state.line.isEmpty else { return nil }
      // Unstructured, so that it can be ended by whoever comes.
      let nap = Task { _ = try? await sleep(wait) }
      state.nap = nap
      return nap
    }
    await nap?.value
    state.withLock { $0.nap = nil }
  }

  /// Changes the allowance after telling it what happened; what could not be told is told the next time.
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
    var line = PermitLine()
    /// Whether a task draws for those who wait.
    var isServed = false
    var nap: Task<Void, Never>?
    /// Something happened since the last draw.
    var isWoken = false
    /// Whether everybody waits for the outcome of a request of this process.
    var isOnTrial = false
    var outcomes = RequestOutcomes()

    mutating func wake() {
      isWoken = true
      nap?.cancel()
    }

    /// Those for whom to draw now; nil, and nobody is served any more, when nobody waits.
    mutating func next() -> (tickets: [PermitLine.Ticket], wishes: [RequestWish])? {
      isWoken = false
      guard !line.isEmpty else {
        isServed = false
        return nil
      }
      return line.first
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
    case .refused(let retryAfter): silences.append(.refused(retryAfter: retryAfter, random: random))
    case .unavailable(let retryAfter): silences.append(.unavailable(retryAfter: retryAfter))
    }
  }
}
