import CXone
import Model
import Synchronization
import TestKit
import Testing

@Suite(.timeLimit(.minutes(1))) struct RequestBudgetTests {
  let clock = TestClock()

  @Test func `callers are served at the rate`() async throws {
    let budget = RequestBudget(rate: 1, burst: 1, surroundings: clock.surroundings())
    let served = Tally()
    try await budget.take()
    let callers = (0..<3).map { number in
      Task {
        try await budget.take()
        served.add(number)
      }
    }
    for count in 1...3 {
      try await clock.untilSleeping(1)
      #expect(served.values.count == count - 1)
      clock.advance(by: .seconds(1))
      try await until { served.values.count == count }
    }
    for caller in callers { try await caller.value }
    #expect(served.values.sorted() == [0, 1, 2])
  }

  @Test func `a caller who gives up in line costs nothing`() async throws {
    let budget = RequestBudget(rate: 1, burst: 1, surroundings: clock.surroundings())
    try await budget.take()
    let first = Task { await failure { try await budget.take() } }
    try await clock.untilSleeping(1)
    let second = Task { await failure { try await budget.take() } }
    second.cancel()
    #expect(await second.value?.code == .interrupted)
    first.cancel()
    #expect(await first.value?.code == .interrupted)
    clock.advance(by: .seconds(1))
    try await budget.take()
  }

  @Test func `a short pause is waited for, a long one is reported`() async throws {
    let budget = RequestBudget(rate: 0, burst: 1, surroundings: clock.surroundings())
    budget.refused(retryAfter: .seconds(20))
    let waiting = Task { await failure { try await budget.take() } }
    try await clock.untilSleeping(1)
    clock.advance(by: .seconds(20))
    #expect(await waiting.value == nil)
    budget.refused(retryAfter: .seconds(600))
    let refused = await failure { try await budget.take() }
    #expect(refused?.code == .platformRateLimited)
    #expect(refused?.retryAfter == .seconds(600))
  }

  @Test func `a pause that comes while somebody waits holds for them too`() async throws {
    let budget = RequestBudget(rate: 1, burst: 1, surroundings: clock.surroundings())
    try await budget.take()
    let waiting = Task { await failure { try await budget.take() } }
    try await clock.untilSleeping(1)
    budget.refused(retryAfter: .seconds(100))
    clock.advance(by: .seconds(1))
    #expect(await waiting.value?.code == .platformRateLimited)
  }

  @Test func `a turnstile keeps the order of its line`() {
    var state = Turnstile.State(free: 1)
    let arrivals = (1...4).map { state.arrive($0) }
    #expect(arrivals == [true, false, false, false])
    state.giveUp(3)
    let admitted = (1...3).map { _ in state.leave() }
    #expect(admitted == [2, 4, nil])
    let later = (5...6).map { state.arrive($0) }
    #expect(later == [true, false])
  }

  @Test func `a turnstile never holds more than its places`() async throws {
    let turnstile = Turnstile(places: 2)
    let inside = Tally()
    try await withThrowingTaskGroup(of: Void.self) { group in
      for _ in 0..<50 {
        group.addTask {
          try await turnstile.withPlace { () async throws(TapedeckError) in
            inside.add(1)
            await settle()
            inside.add(-1)
          }
        }
      }
      try await group.waitForAll()
    }
    var now = 0
    var most = 0
    for step in inside.values {
      now += step
      most = max(most, now)
    }
    #expect(most == 2)
    #expect(inside.values.count == 100)
  }
}

/// What happened, in order.
final class Tally: Sendable {
  private let state = Mutex<[Int]>([])

  var values: [Int] { state.withLock { $0 } }

  func add(_ value: Int) { state.withLock { $0.append(value) } }
}

/// Gives every other task a chance to run as far as it can.
func settle() async {
  for _ in 0..<20 { await Task.yield() }
}
