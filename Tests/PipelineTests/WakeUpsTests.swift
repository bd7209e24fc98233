import Model
import Pipeline
import Synchronization
import TestKit
import Testing

@Suite(.timeLimit(.minutes(5)))
struct WakeUpsTests {
  private let clock = TestClock()

  @Test func `the loop runs at once, and ends when the body says so`() async {
    var runs = 0
    await WakeUps(system: clock.system()).run {
      runs += 1
      return .never
    }
    #expect(runs == 1)
  }

  @Test func `a notification during a run causes another run`() async {
    let wakeUps = WakeUps(system: clock.system())
    var runs = 0
    await wakeUps.run {
      runs += 1
      if runs == 3 { return .never }
      wakeUps.notify()
      return .whenNotified
    }
    #expect(runs == 3)
  }

  @Test func `several notifications during a run cause one run`() async throws {
    let wakeUps = WakeUps(system: clock.system())
    let runs = Runs()
    async let loop: Void = wakeUps.run {
      let run = runs.next()
      if run == 1 { for _ in 0..<5 { wakeUps.notify() } }
      return run == 3 ? .never : .within(.seconds(10))
    }
    // The timer of the second run: a further pending notification would have ended the loop before it.
    try await until { runs.count == 2 }
    try await clock.untilSleeping(for: .seconds(10))
    #expect(runs.count == 2)
    wakeUps.notify()
    await loop
    #expect(runs.count == 3)
  }

  @Test func `the loop runs again when the pause is over`() async throws {
    let wakeUps = WakeUps(system: clock.system())
    let runs = Runs()
    async let loop: Void = wakeUps.run {
      let run = runs.next()
      return run == 2 ? .never : .within(.seconds(60))
    }
    try await clock.untilSleeping(for: .seconds(60))
    #expect(runs.count == 1)
    clock.advance(by: .seconds(60))
    await loop
    #expect(runs.count == 2)
  }

  @Test func `a cancelled loop ends`() async throws {
    let wakeUps = WakeUps(system: clock.system())
    let loop = Task { [clock] in
      await wakeUps.run { .within(.seconds(60)) }
      return clock.now
    }
    try await clock.untilSleeping(1)
    loop.cancel()
    #expect(await loop.value == clock.now)
  }
}

/// Counts the runs of a loop.
private final class Runs: Sendable {
  private let number = Mutex(0)

  var count: Int { number.withLock { $0 } }

  /// - Returns: the number of the run that begins, counted from 1.
  func next() -> Int {
    number.withLock { number in
      number += 1
      return number
    }
  }
}
