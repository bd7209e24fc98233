package import Model
import Synchronization

/// A clock that moves only when a test moves it; sleeping tasks wake when it reaches their time.
package final class TestClock: Sendable {
  private struct Sleeper {
    /// The duration that the task asked for.
    var duration: Duration
    var wakesAt: Instant
    var continuation: CheckedContinuation<Void, any Error>
  }

  private struct State {
    var now: Instant
    var uptime = Duration.zero
    var sleepers: [UInt64: Sleeper] = [:]
    var next: UInt64 = 0
    var watchers: [(isMet: @Sendable ([Duration]) -> Bool, gate: Gate)] = []
  }

  private let state: Mutex<State>
  private let shortSleep: Duration

  /// Starts at 2026-01-15T12:00:00Z by default.
  ///
  /// - Parameter shortSleep: a sleep of at most this duration returns at once and moves the clock.
  package init(now: Instant = Instant(milliseconds: 1_768_478_400_000), shortSleep: Duration = .zero) {
    state = Mutex(State(now: now))
    self.shortSleep = shortSleep
  }

  package var now: Instant { state.withLock { $0.now } }
  package var uptime: Duration { state.withLock { $0.uptime } }

  /// This clock, and `random` for every random number.
  package func system(random: Double = 0.5) -> SystemServices {
    SystemServices(
      now: { self.now }, uptime: { self.uptime }, sleep: { try await self.sleep($0) }, random: { random })
  }

  /// Moves the time forward and wakes the tasks that are due.
  package func advance(by duration: Duration) {
    let due = state.withLock { state in
      state.now = state.now + duration
      state.uptime += duration
      let due = state.sleepers.filter { $0.value.wakesAt <= state.now }
      for id in due.keys { state.sleepers.removeValue(forKey: id) }
      return due.values.sorted { $0.wakesAt < $1.wakesAt }
    }
    for sleeper in due { sleeper.continuation.resume() }
  }

  /// Sets the clock forward or back, as an operator or NTP does. Sleeping tasks sleep for as long as before.
  package func jump(by duration: Duration) {
    state.withLock { state in
      state.now = state.now + duration
      for (id, sleeper) in state.sleepers { state.sleepers[id]?.wakesAt = sleeper.wakesAt + duration }
    }
  }

  /// Waits until at least this many tasks sleep on the clock.
  package func untilSleeping(_ count: Int) async throws { try await untilSleeping { $0.count >= count } }

  /// Waits until a task sleeps that asked for this duration.
  package func untilSleeping(for duration: Duration) async throws {
    try await untilSleeping { $0.contains(duration) }
  }

  private func untilSleeping(_ isMet: @escaping @Sendable ([Duration]) -> Bool) async throws {
    let gate = Gate()
    state.withLock {
      if isMet($0.sleepers.values.map(\.duration)) { gate.open() } else { $0.watchers.append((isMet, gate)) }
    }
    try await gate.wait()
  }

  private func sleep(_ duration: Duration) async throws {
    if duration <= shortSleep {
      try Task.checkCancellation()
      return advance(by: max(duration, .zero))
    }
    let id = state.withLock {
      $0.next += 1
      return $0.next
    }
    try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { continuation in
        var reached: [Gate] = []
        let outcome: Result<Void, any Error>? = state.withLock {
          if Task.isCancelled { return .failure(CancellationError()) }
          $0.sleepers[id] = Sleeper(duration: duration, wakesAt: $0.now + duration, continuation: continuation)
          let durations = $0.sleepers.values.map(\.duration)
          reached = $0.watchers.filter { $0.isMet(durations) }.map(\.gate)
          $0.watchers.removeAll { $0.isMet(durations) }
          return nil
        }
        for gate in reached { gate.open() }
        if let outcome { continuation.resume(with: outcome) }
      }
    } onCancel: {
      state.withLock { $0.sleepers.removeValue(forKey: id) }?.continuation.resume(throwing: CancellationError())
    }
  }
}
