import Catalog
import Foundation
import Model
import Synchronization

/// A database in which something happens right after the first look at it, before whoever looked can go on. Whoever
/// subscribes beside that look, and not before it, comes too late.
final class InterposedDatabase: Database {
  private let base: any Database
  private let event: @Sendable () async -> Void
  private let hasRead = Atomic(false)
  private let hasHappened = Mutex(false)

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
    hasHappened.withLock { $0 = true }
    return result
  }

  func write<T: Sendable>(
    _ body: @escaping @Sendable (any Connection) throws -> T
  ) async throws(TapedeckError) -> T {
    try await base.write(body)
  }

  func changes() -> AsyncStream<Change> {
    // A head start for whoever looks first, if anybody can.
    for _ in 0..<20 where !hasHappened.withLock({ $0 }) { Thread.sleep(forTimeInterval: 0.01) }
    return base.changes()
  }

  func close() throws(TapedeckError) { try base.close() }
}
