import CXone
import Model
import Synchronization
import TestKit
import Testing

@Suite(.timeLimit(.minutes(1))) struct RequestBudgetTests {
  let clock = TestClock()

  private func budget(rate: Double, burst: Int = 1) -> RequestBudget {
    RequestBudget(
      store: LocalAllowance(limits: RequestLimits(rate: rate, burst: burst), now: { [clock] in clock.now }),
      system: clock.system())
  }

  @Test func `callers are served at the rate`() async throws {
    let budget = budget(rate: 1)
    let served = Tally()
    try await budget.take(.metadata)
    let callers = (0..<3).map { number in
      Task {
        try await budget.take(.metadata)
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

  @Test func `a fresh call is served before backfill that has waited longer`() async throws {
    let budget = budget(rate: 1)
    let served = Tally()
    // Uses up backfill's guaranteed share.
    try await Priority.$current.withValue(.backfill) { try await budget.take(.metadata) }
    let backfill = Task {
      try await Priority.$current.withValue(.backfill) { try await budget.take(.metadata) }
      served.add(2)
    }
    try await clock.untilSleeping(1)
    let fresh = Task {
      try await budget.take(.metadata)
      served.add(1)
    }
    await settle()
    for count in 1...2 {
      try await clock.untilSleeping(1)
      clock.advance(by: .seconds(1))
      try await until { served.values.count == count }
    }
    #expect(served.values == [1, 2])
    try await backfill.value
    try await fresh.value
  }

  @Test func `requesters take turns, however many requests one of them has`() async throws {
    let budget = budget(rate: 1)
    let served = Tally()
    try await budget.take(.metadata)
    var tasks: [Task<Void, any Error>] = []
    func request(_ numbers: Range<Int>, by requester: String?) async {
      for number in numbers {
        tasks.append(
          Task {
            try await Requester.$current.withValue(requester) { try await budget.take(.metadata) }
            served.add(number)
          })
        await settle()
      }
    }
    await request(0..<4, by: "agent")
    await request(10..<12, by: "supervisor")
    await request(20..<21, by: nil)
    for count in 1...tasks.count {
      try await clock.untilSleeping(1)
      clock.advance(by: .seconds(1))
      try await until { served.values.count == count }
    }
    #expect(served.values == [0, 10, 20, 1, 11, 2, 3])
    for task in tasks { try await task.value }
  }

  @Test func `a token request always has fresh priority`() async throws {
    let allowance = RecordedAllowance()
    let budget = RequestBudget(store: allowance, system: clock.system())
    try await Priority.$current.withValue(.backfill) {
      try await budget.take(.token)
      try await budget.take(.search)
    }
    let status = try await budget.status()
    #expect(status.lastHour.requests == 2)
    // Only the search used backfill's share.
    #expect(allowance.changes == 3)
  }

  @Test func `a caller that is cancelled in the queue uses no permit`() async throws {
    let budget = budget(rate: 1)
    try await budget.take(.metadata)
    let first = Task { await failure { try await budget.take(.metadata) } }
    try await clock.untilSleeping(1)
    let second = Task { await failure { try await budget.take(.metadata) } }
    second.cancel()
    #expect(await second.value?.code == .interrupted)
    first.cancel()
    #expect(await first.value?.code == .interrupted)
    clock.advance(by: .seconds(1))
    try await budget.take(.metadata)
    #expect(try await budget.status().lastHour.requests == 2)
  }

  @Test func `callers wait through a short pause, a long one is reported`() async throws {
    let budget = budget(rate: 0)
    await budget.report(.refused(retryAfter: .seconds(20)))
    let waiting = Task { await failure { try await budget.take(.metadata) } }
    try await clock.untilSleeping(1)
    clock.advance(by: .seconds(20))
    // The bucket is empty at the end of a pause.
    try await clock.untilSleeping(1)
    clock.advance(by: .seconds(1))
    #expect(await waiting.value == nil)
    await budget.report(.accepted)
    await budget.report(.refused(retryAfter: .seconds(600)))
    let refused = await failure { try await budget.take(.metadata) }
    #expect(refused?.code == .platformRateLimited)
    #expect(refused?.retryAfter == .seconds(600))
  }

  @Test func `a pause that begins while a caller waits applies to that caller too`() async throws {
    let budget = budget(rate: 1)
    try await budget.take(.metadata)
    let waiting = Task { await failure { try await budget.take(.metadata) } }
    try await clock.untilSleeping(1)
    await budget.report(.refused(retryAfter: .seconds(100)))
    #expect(await waiting.value?.code == .platformRateLimited)
  }

  @Test func `after a pause one request is sent, and the others once it is accepted`() async throws {
    let budget = budget(rate: 0)
    await budget.report(.refused(retryAfter: .seconds(1)))
    let served = Tally()
    let callers = (0..<4).map { number in
      Task {
        try await budget.take(.metadata)
        served.add(number)
      }
    }
    // The pause, then a fifth of a second for the first request.
    for delay in [1000, 200] {
      try await clock.untilSleeping(1)
      clock.advance(by: .milliseconds(delay))
    }
    try await until { served.values.count == 1 }
    for _ in 0..<8 {
      try await clock.untilSleeping(1)
      clock.advance(by: .milliseconds(250))
    }
    #expect(served.values.count == 1)
    await budget.report(.accepted)
    for count in 2...4 {
      try await clock.untilSleeping(1)
      clock.advance(by: .milliseconds(200))
      try await until { served.values.count == count }
    }
    for caller in callers { try await caller.value }
  }

  // MARK: Several nodes

  @Test func `nodes that share an allowance send no more requests together than one alone`() async throws {
    let store = LocalAllowance(limits: RequestLimits(rate: 10, burst: 10), now: { [clock] in clock.now })
    let nodes = (0..<3).map { _ in RequestBudget(store: store, system: clock.system()) }
    let served = Tally()
    await withTaskGroup(of: Void.self) { group in
      for node in nodes {
        for _ in 0..<4 {
          group.addTask {
            while await failure({ try await node.take(.metadata) }) == nil {
              served.add(1)
              await node.report(.accepted)
            }
          }
        }
      }
      for _ in 0..<600 {
        await settle()
        clock.advance(by: .milliseconds(100))
      }
      group.cancelAll()
    }
    #expect(served.values.count <= 10 * 60 + 10)
    #expect(served.values.count > 300)
  }

  @Test func `a refusal seen by one node pauses the others`() async throws {
    let store = LocalAllowance(limits: RequestLimits(rate: 0, burst: 1), now: { [clock] in clock.now })
    let nodes = (0..<2).map { _ in RequestBudget(store: store, system: clock.system()) }
    try await nodes[1].take(.metadata)
    await nodes[0].report(.refused(retryAfter: .seconds(300)))
    #expect(await failure { try await nodes[1].take(.metadata) }?.retryAfter == .seconds(300))
    #expect(try await nodes[1].status().pausedUntil == clock.now + .seconds(300))
  }

  @Test func `without the store no request is sent, and outcomes are reported later`() async throws {
    let store = RecordedAllowance()
    let budget = RequestBudget(store: store, system: clock.system())
    store.isBroken = true
    #expect(await failure { try await budget.take(.metadata) }?.code == .catalogFailed)
    await budget.report(.refused(retryAfter: .seconds(120)))
    #expect(await failure { try await budget.admitRetry() }?.code == .catalogFailed)
    store.isBroken = false
    #expect(await failure { try await budget.take(.metadata) }?.code == .platformRateLimited)
  }

  @Test func `too many retries are refused with the time to wait`() async throws {
    let budget = budget(rate: 0)
    for _ in 0..<10 { try await budget.admitRetry() }
    let refused = await failure { try await budget.admitRetry() }
    #expect(refused?.code == .retryBudgetSpent)
    #expect(refused?.retryAfter == .seconds(60))
  }
}

/// An allowance without a limit that counts its changes and can fail.
private final class RecordedAllowance: AllowanceStore {
  private let state: Mutex<(allowance: RequestAllowance, changes: Int, isBroken: Bool)>

  init() {
    let now = Instant(milliseconds: 1_768_478_400_000)
    state = Mutex((RequestAllowance(limits: RequestLimits(rate: 0, burst: 1), now: now), 0, false))
  }

  var changes: Int { state.withLock { $0.changes } }

  var isBroken: Bool {
    get { state.withLock { $0.isBroken } }
    set { state.withLock { $0.isBroken = newValue } }
  }

  func change<T: Sendable>(
    _ body: @escaping @Sendable (inout RequestAllowance, _ now: Instant) -> T
  ) async throws(TapedeckError) -> T {
    let result: T? = state.withLock { state in
      guard !state.isBroken else { return nil }
      state.changes += 1
      return body(&state.allowance, Instant(milliseconds: 1_768_478_400_000))
    }
    guard let result else { throw TapedeckError(.catalogFailed) }
    return result
  }
}

/// Events in order.
final class Tally: Sendable {
  private let state = Mutex<[Int]>([])

  var values: [Int] { state.withLock { $0 } }

  func add(_ value: Int) { state.withLock { $0.append(value) } }
}

/// Lets all other tasks run as far as they can.
func settle() async {
  for _ in 0..<20 { await Task.yield() }
}
