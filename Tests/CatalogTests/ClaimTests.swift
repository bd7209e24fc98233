import Catalog
import Model
import Synchronization
import TestKit
import Testing

/// Several claims in one transaction.
@Suite(.serialized) struct ClaimTests {
  /// A job as a claim sees it.
  private struct Sample {
    var name: String
    var requester: String?
    var priority: Priority
    /// In seconds before the claim; negative for a job that is not due.
    var age: Int
    var isLeased = false
  }

  /// Jobs of a few requesters in random order.
  private func samples(seed: UInt64) -> [Sample] {
    var random = Numbers(state: seed &* 7919 &+ 1)
    return (0..<24).map { number in
      let requester = ["a", "b", "c", "d", nil][random.below(5)]
      return Sample(
        name: "call-\(number)", requester: requester, priority: random.below(3) == 0 ? .backfill : .fresh,
        // Several have the same age, and back-fill of 601 s and more goes before new calls.
        age: [700, 640, 601, 50, 40, 30, 30, 10, -5][random.below(9)], isLeased: random.below(6) == 0)
    }
  }

  private func catalog(_ kind: DatabaseKind, _ samples: [Sample]) async throws -> TestCatalog {
    let test = try await TestCatalog(kind)
    for sample in samples { try await test.request(sample.name) }
    let now = test.clock.now
    _ = try await test.database.write { db in
      for sample in samples {
        let due = now + .seconds(-sample.age)
        try db.execute(
          """
          UPDATE job SET requested_by = \(sample.requester), priority = \(sample.priority), due_at = \(due),
            run_state = \(sample.isLeased ? RunState.leased : .idle)
          WHERE platform_id = \(sample.name)
          """)
      }
    }
    return test
  }

  @Test(arguments: DatabaseKind.allCases)
  func `several claims take the same jobs in the same order as one after the other`(kind: DatabaseKind) async throws {
    for seed in UInt64(0)..<12 {
      let samples = samples(seed: seed)
      let single = try await catalog(kind, samples)
      var order: [String] = []
      while let job = try await single.catalog.claimJob(in: .polling, lease: .seconds(30)) {
        order.append(job.key.id.rawValue)
      }
      #expect(order.count == samples.count { $0.age >= 0 && !$0.isLeased })
      for limit in [2, 5, 50] {
        let several = try await catalog(kind, samples)
        var found: [String] = []
        while true {
          let jobs = try await several.catalog.claimJobs(in: .polling, lease: .seconds(30), limit: limit)
          #expect(jobs.count <= limit)
          #expect(jobs.allSatisfy { $0.runState == .leased && $0.fence == 1 && $0.attempts == 1 })
          if jobs.isEmpty { break }
          found += jobs.map(\.key.id.rawValue)
        }
        #expect(found == order, "seed \(seed), limit \(limit)")
      }
    }
  }

  @Test(arguments: DatabaseKind.allCases)
  func `requesters take turns within one transaction`(kind: DatabaseKind) async throws {
    let many = (0..<20).map { Sample(name: "many-\($0)", requester: "agent", priority: .fresh, age: 100 - $0) }
    let few = ["few-1", "few-2"].map { Sample(name: $0, requester: "supervisor", priority: .fresh, age: 10) }
    let test = try await catalog(kind, many + few + [Sample(name: "other", priority: .fresh, age: 5)])
    let jobs = try await test.catalog.claimJobs(in: .polling, lease: .seconds(30), limit: 6)
    #expect(jobs.map(\.key.id.rawValue) == ["many-0", "few-1", "many-1", "few-2", "many-2", "many-3"])
  }

  @Test(arguments: DatabaseKind.allCases)
  func `claims that wait at the same time share a transaction and get different jobs`(kind: DatabaseKind) async throws {
    let test = try await TestCatalog(kind)
    for number in 0..<20 { try await test.request("call-\(number)") }
    let database = HeldDatabase(base: test.database)
    let catalog = Catalog(database: database)
    let jobs = try await withThrowingTaskGroup(of: Int64?.self) { group in
      group.addTask { try await catalog.claimJob(in: .polling, lease: .seconds(30))?.id }
      await database.waitForWrite()
      // They wait while the first one is in its transaction.
      for _ in 0..<9 { group.addTask { try await catalog.claimJob(in: .polling, lease: .seconds(30))?.id } }
      while catalog.waitingClaims < 9 { await Task.yield() }
      database.release()
      return try await group.reduce(into: []) { $0.append($1) }
    }
    #expect(Set(jobs.compactMap { $0 }).count == 10)
    #expect(database.writes == 2)
  }

  @Test func `claims for other queues, sources and leases are separate`() async throws {
    let test = try await TestCatalog(.sqlite)
    for name in ["a", "eu~b", "eu~c", "d"] { try await test.request(name) }
    let eu = SourceID("eu")!
    async let first = test.catalog.claimJob(in: .polling, of: [eu], lease: .seconds(30))
    async let second = test.catalog.claimJob(in: .polling, of: [.default], lease: .seconds(60))
    async let third = test.catalog.claimJob(in: .transfer, lease: .seconds(30))
    #expect(try await first?.key.source == eu)
    #expect(try await second?.key.source == .default)
    #expect(try await third == nil)
  }

  @Test func `every waiting claim gets the error of its transaction, and later ones work`() async throws {
    let test = try await TestCatalog(.sqlite)
    try await test.request("a")
    let database = HeldDatabase(base: test.database)
    let catalog = Catalog(database: database)
    await withTaskGroup(of: TapedeckError.Code?.self) { group in
      group.addTask { await failure { try await catalog.claimJob(in: .polling, lease: .seconds(30)) } }
      await database.waitForWrite()
      for _ in 0..<4 {
        group.addTask { await failure { try await catalog.claimJob(in: .polling, lease: .seconds(30)) } }
      }
      while catalog.waitingClaims < 4 { await Task.yield() }
      database.fail(times: 2)
      database.release()
      for await code in group { #expect(code == .diskFull) }
    }
    #expect(try await catalog.claimJob(in: .polling, lease: .seconds(30))?.key.id.rawValue == "a")
  }

  @Test func `a cancelled claim does not end those that wait with it`() async throws {
    let test = try await TestCatalog(.sqlite)
    for name in ["a", "b"] { try await test.request(name) }
    let database = HeldDatabase(base: test.database)
    let catalog = Catalog(database: database)
    let cancelled = Task { try await catalog.claimJob(in: .polling, lease: .seconds(30)) }
    await database.waitForWrite()
    async let other = catalog.claimJob(in: .polling, lease: .seconds(30))
    while catalog.waitingClaims < 1 { await Task.yield() }
    cancelled.cancel()
    database.release()
    #expect(try await cancelled.value?.key.id.rawValue == "a")
    #expect(try await other?.key.id.rawValue == "b")
  }
}

/// A generator whose numbers are the same in each run.
private struct Numbers {
  var state: UInt64

  mutating func below(_ limit: Int) -> Int {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return Int((state >> 33) % UInt64(limit))
  }
}

/// A database whose first transaction waits until it is released. It counts transactions and can fail them.
private final class HeldDatabase: Database {
  private let base: any Database
  private let state = Mutex((writes: 0, failures: 0))
  private let started = AsyncStream<Void>.makeStream()
  private let released = AsyncStream<Void>.makeStream()

  init(base: any Database) { self.base = base }

  var writes: Int { state.withLock { $0.writes } }
  func fail(times: Int) { state.withLock { $0.failures = times } }
  func release() { released.continuation.finish() }

  func waitForWrite() async {
    for await _ in started.stream { return }
  }

  func read<T: Sendable>(
    _ body: @escaping @Sendable (any Connection) throws -> T
  ) async throws(TapedeckError) -> T { try await base.read(body) }

  func write<T: Sendable>(
    _ isolation: Isolation, _ body: @escaping @Sendable (any Connection) throws -> T
  ) async throws(TapedeckError) -> T {
    let isFirst = state.withLock { state in
      state.writes += 1
      return state.writes == 1
    }
    if isFirst {
      started.continuation.yield()
      for await _ in released.stream {}
    }
    let fails = state.withLock { state in
      state.failures -= 1
      return state.failures >= 0
    }
    if fails { throw TapedeckError(.diskFull) }
    return try await base.write(isolation, body)
  }

  func changes() -> AsyncStream<Change> { base.changes() }
  func close() throws(TapedeckError) { try base.close() }
}
