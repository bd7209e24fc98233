import Catalog
import Model
import TestKit
import Testing

/// The time of the database, which nodes use for their clocks.
@Suite struct TimeTests {
  /// A database whose reads wait before they start.
  private struct BusyDatabase: Database {
    let base: any Database
    let clock: TestClock

    func read<T: Sendable>(
      _ body: @escaping @Sendable (any Connection) throws -> T
    ) async throws(TapedeckError) -> T {
      clock.advance(by: .seconds(60))
      return try await base.read(body)
    }

    func write<T: Sendable>(
      _ isolation: Isolation, _ body: @escaping @Sendable (any Connection) throws -> T
    ) async throws(TapedeckError) -> T {
      try await base.write(isolation, body)
    }

    func changes() -> AsyncStream<Change> { base.changes() }
    func close() throws(TapedeckError) { try base.close() }
  }

  @Test(arguments: DatabaseKind.allCases)
  func `waiting for a connection does not affect the time of the database`(kind: DatabaseKind) async throws {
    let test = try await TestCatalog(kind)
    let start = test.clock.now
    let busy = Catalog(database: BusyDatabase(base: test.database, clock: test.clock))
    let reading = try await busy.now(by: { test.clock.uptime })
    #expect(reading.now == start + .seconds(60))
    #expect(reading.uptime == .seconds(60))
  }
}
