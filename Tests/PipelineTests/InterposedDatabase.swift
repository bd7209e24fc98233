import Catalog
import Model
import Synchronization

/// A database that runs an event after its first read, before the read returns.
final class InterposedDatabase: Database {
  private let base: any Database
  private let event: @Sendable () async -> Void
  private let hasRead = Atomic(false)

  init(_ base: any Database, afterFirstRead event: @escaping @Sendable () async -> Void) {
    self.base = base
    self.event = event
  }

  func read<T: Sendable>(
    _ body: @escaping @Sendable (any Connection) throws -> T
  ) async throws(TapedeckError) -> T {
    let result = try await base.read(body)
    if hasRead.exchange(true, ordering: .relaxed) { return result }
    await event()
    return result
  }

  func write<T: Sendable>(
    _ isolation: Isolation, _ body: @escaping @Sendable (any Connection) throws -> T
  ) async throws(TapedeckError) -> T {
    try await base.write(isolation, body)
  }

  func changes() -> AsyncStream<Change> { base.changes() }

  func close() throws(TapedeckError) { try base.close() }
}
