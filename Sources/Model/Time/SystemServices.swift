/// Clock, uptime, sleep and randomness, as parameters so that tests can control them. `Compose.swift` passes the real
/// ones.
package struct SystemServices: Sendable {
  /// The current moment.
  package var now: @Sendable () -> Instant
  /// Time since a fixed moment, independent of clock changes; includes time while the process was suspended.
  package var uptime: @Sendable () -> Duration
  /// Sleeps; throws `CancellationError` when the task is cancelled.
  package var sleep: @Sendable (Duration) async throws -> Void
  /// A random number in `0..<1`.
  package var random: @Sendable () -> Double

  package init(
    now: @escaping @Sendable () -> Instant, uptime: @escaping @Sendable () -> Duration = SystemServices.systemUptime,
    sleep: @escaping @Sendable (Duration) async throws -> Void, random: @escaping @Sendable () -> Double
  ) {
    self.now = now
    self.uptime = uptime
    self.sleep = sleep
    self.random = random
  }

  /// Time since the first call.
  package static let systemUptime: @Sendable () -> Duration = {
    let begin = ContinuousClock.now
    return { ContinuousClock.now - begin }
  }()

  /// The system clock and random number generator.
  package static let system = SystemServices(
    now: { .systemNow() }, sleep: { try await Task.sleep(for: $0) }, random: { .random(in: 0..<1) })
}
