package import Model
import Synchronization

/// A clock that moves only when a test moves it. Whoever sleeps on it wakes when its time has come.
package final class TestClock: Sendable {
  private struct Sleeper {
    var wakesAt: Instant
    var continuation: CheckedContinuation<Void, any Error>
  }

  private struct State {
    var now: Instant
    var uptime = Duration.zero
    var sleepers: [UInt64: Sleeper] = [:]
    var next: UInt64 = 0
    var watchers: [(count: Int, gate: Gate)] = []
  }

  private let state: Mutex<State>

  /// Starts at 2026-01-15T12:00:00Z unless told otherwise.
  package init(now: Instant = Instant(milliseconds: 1_768_478_400_000)) { state = Mutex(State(now: now)) }

  package var now: Instant { state.withLock { $0.now } }
  package var uptime: Duration { state.withLock { $0.uptime } }

  /// This clock, and `random` for every random number.
  package func surroundings(random: Double = 0.5) -> Surroundings {
    Surroundings(
      now: { self.now }, uptime: { self.uptime }, sleep: { try await self.sleep($0) }, random: { random })
  }

  /// Moves the time and wakes whoever is due.
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

  /// Sets the clock forward or back, as an operator or NTP would: whoever sleeps goes on sleeping for as long as before.
  package func jump(by duration: Duration) {
    state.withLock { state in
      state.now = state.now + duration
      for (id, sleeper) in state.sleepers { state.sleepers[id]?.wakesAt = sleeper.wakesAt + duration }
    }
  }

  /// Waits until at least this many tasks sleep on the clock.
  package func untilSleeping(_ count: Int) async throws {
    let gate = Gate()
    state.withLock {
      if $0.sleepers.count >= count { gate.open() } else { $0.watchers.append((count, gate)) }
    }
    try await gate.wait()
  }

  private func sleep(_ duration: Duration) async throws {
    let id = state.withLock {
      $0.next += 1
      return $0.next
    }
    try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { continuation in
        var reached: [Gate] = []
        let outcome: Result<Void, any Error>? = state.withLock {
          if Task.isCancelled { return .failure(CancellationError()) }
          if duration <= .zero { return .success(()) }
          $0.sleepers[id] = Sleeper(wakesAt: $0.now + duration, continuation: continuation)
          let count = $0.sleepers.count
          reached = $0.watchers.filter { $0.count <= count }.map(\.gate)
          $0.watchers.removeAll { $0.count <= count }
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
