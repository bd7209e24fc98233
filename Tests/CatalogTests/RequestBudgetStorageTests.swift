import Catalog
import Dispatch
import Model
import TestKit
import Testing

/// The request budget of a source that all nodes share.
@Suite(.timeLimit(.minutes(2)))
struct RequestBudgetStorageTests {
  let clock = TestClock()
  let folder: TemporaryFolder
  let limits = RequestLimits(rate: 10, burst: 10)
  let ticket = RequestTicket(.metadata, .fresh)

  init() throws { folder = try TemporaryFolder() }

  /// Catalogs of several nodes on one database.
  private func nodes(_ kind: DatabaseKind, _ count: Int) async throws -> [Catalog] {
    var nodes: [Catalog] = []
    for _ in 0..<count { nodes.append(Catalog(database: try kind.open(in: folder, now: { [clock] in clock.now }))) }
    try await nodes.first?.migrate()
    return nodes
  }

  @Test(arguments: DatabaseKind.allCases)
  func `all nodes together get at most the rate and one burst`(kind: DatabaseKind) async throws {
    let nodes = try await nodes(kind, 2)
    let start = clock.now
    var granted = 0
    for _ in 0..<100 {
      granted += try await withThrowingTaskGroup(of: Int.self) { group in
        for node in nodes + nodes {
          group.addTask { [limits, ticket] in
            try await node.changeAllowance(of: .default, limits: limits) { allowance, now in
              var accepted = RequestOutcomes()
              accepted.accepted = 3
              allowance.note(accepted, now: now)
              return allowance.take([ticket, ticket, ticket], now: now).granted.count
            }
          }
        }
        return try await group.reduce(0, +)
      }
      clock.advance(by: .milliseconds(100))
    }
    #expect(Double(granted) <= 10 * (clock.now - start).inSeconds + 10)
    #expect(granted > 60)
    for node in nodes { try node.database.close() }
  }

  @Test(arguments: DatabaseKind.allCases)
  func `a pause of one bucket does not affect the others of the source`(kind: DatabaseKind) async throws {
    let nodes = try await nodes(kind, 2)
    try await nodes[0].changeAllowance(of: .default, .media, limits: limits) { allowance, now in
      var refused = RequestOutcomes()
      refused.pauses = [.refused(retryAfter: .seconds(60), random: 0.5)]
      allowance.note(refused, now: now)
    }
    var paused: [RequestBucket] = []
    for bucket in RequestBucket.allCases {
      let until = try await nodes[1].changeAllowance(of: .default, bucket, limits: limits) { allowance, _ in
        allowance.pausedUntil
      }
      if until != nil { paused.append(bucket) }
    }
    #expect(paused == [.media])
    for node in nodes { try node.database.close() }
  }

  @Test(arguments: DatabaseKind.allCases)
  func `a pause that one node received applies to all, also after restarts`(kind: DatabaseKind) async throws {
    let nodes = try await nodes(kind, 2)
    try await nodes[0].changeAllowance(of: .default, limits: limits) { allowance, now in
      var refused = RequestOutcomes()
      refused.pauses = [.refused(retryAfter: .seconds(60), random: 0.5)]
      allowance.note(refused, now: now)
    }
    for node in nodes { #expect(try await isPaused(node, .default)) }
    #expect(try await isPaused(nodes[1], SourceID("eu")!) == false)
    for node in nodes { try node.database.close() }
    let next = try await self.nodes(kind, 1)[0]
    #expect(try await isPaused(next, .default))
    clock.advance(by: .seconds(62))
    #expect(try await isPaused(next, .default) == false)
    try next.database.close()
  }

  @Test func `concurrent changes wait for the row and continue from the stored state`() async throws {
    let nodes = try await nodes(.postgresql, 2)
    let watched = WatchedDatabase(nodes[1].database)
    try await nodes[0].changeAllowance(of: .default, limits: limits) { _, _ in }
    let (begun, go) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
    async let first: Void = nodes[0].changeAllowance(of: .default, limits: limits) { allowance, now in
      begun.signal()
      go.wait()
      var refused = RequestOutcomes()
      refused.pauses = [.refused(retryAfter: .seconds(60), random: 0.5)]
      allowance.note(refused, now: now)
    }
    await wait(for: begun)
    async let second = watched.plans {
      let isPaused = try await isPaused(Catalog(database: watched), .default)
      #expect(isPaused)
    }
    let waiting = """
      SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%INTO request_budget%'
      """
    while try PostgresServer.shared().run(waiting) == "0" { await Task.yield() }
    go.signal()
    try await first
    #expect(try await second.count { $0.hasPrefix("Insert on request_budget") } == 1)
    for node in nodes { try node.database.close() }
  }

  private func isPaused(_ node: Catalog, _ source: SourceID) async throws -> Bool {
    try await node.changeAllowance(of: source, limits: limits) { [ticket] in $0.take([ticket], now: $1).isPaused }
  }

  @Test(arguments: DatabaseKind.allCases)
  func `an unreadable state is replaced, with the current limits`(kind: DatabaseKind) async throws {
    let node = try await nodes(kind, 1)[0]
    try await node.changeAllowance(of: .default, limits: limits) { _, _ in }
    for state in ["", "{}", "[1]", "{\"rate\":\"fast\"}"] {
      _ = try await node.database.write { db in try db.execute("UPDATE request_budget SET state = \(state)") }
      let rate = try await node.changeAllowance(of: .default, limits: RequestLimits(rate: 0.5, burst: 1)) {
        allowance, _ in
        allowance.rate
      }
      #expect(rate == 0.5)
    }
    try node.database.close()
  }
}
