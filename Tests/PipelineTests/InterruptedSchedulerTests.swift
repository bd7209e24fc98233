import Catalog
import Logging
import Model
import Pipeline
import Synchronization
import TestKit
import Testing

/// Queries of the scheduler that a shutdown interrupts.
@Suite(.timeLimit(.minutes(1)))
struct InterruptedSchedulerTests {
  @Test(arguments: [(TapedeckError.Code.interrupted, false), (.catalogFailed, true), (.diskFull, true)])
  func `only a failed query is logged as an error`(code: TapedeckError.Code, isLogged: Bool) async throws {
    let fixture = try await SchedulerFixture()
    let log = RecordedLog()
    let database = FailingReads(fixture.database, code)
    let scheduler = Scheduler(
      catalog: Catalog(database: database), discoveries: [fixture.discovery()], syncs: true,
      system: fixture.clock.system(), logger: log.logger())
    try await fixture.with([scheduler]) { try await until { database.count > 0 } }
    #expect(log.messages(at: .error).isEmpty == !isLogged)
  }
}

/// A database whose reads all fail.
private final class FailingReads: Database {
  private let base: any Database
  private let code: TapedeckError.Code
  private let reads = Mutex(0)

  init(_ base: any Database, _ code: TapedeckError.Code) {
    self.base = base
    self.code = code
  }

  var count: Int { reads.withLock { $0 } }

  func read<T: Sendable>(
    _ body: @escaping @Sendable (any Connection) throws -> T
  ) async throws(TapedeckError) -> T {
    reads.withLock { $0 += 1 }
    throw TapedeckError(code)
  }

  func write<T: Sendable>(
    _ isolation: Isolation, _ body: @escaping @Sendable (any Connection) throws -> T
  ) async throws(TapedeckError) -> T { try await base.write(isolation, body) }

  func changes() -> AsyncStream<Change> { base.changes() }
  func close() throws(TapedeckError) {}
}
