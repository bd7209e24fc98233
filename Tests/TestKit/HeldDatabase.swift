package import Catalog
package import Model
import Synchronization

/// A database whose write transactions a test can hold and fail, and whose commits it can count.
package final class HeldDatabase: Database {
  private struct State {
    var commits = 0
    var isBroken = false
    var gate: Gate?
  }

  private let base: any Database
  private let state = Mutex(State())

  package init(_ base: any Database) { self.base = base }

  /// The number of committed write transactions.
  package var commits: Int { state.withLock { $0.commits } }

  /// Makes every write fail, or succeed again.
  package func setBroken(_ isBroken: Bool) { state.withLock { $0.isBroken = isBroken } }

  /// Holds all writes until the gate opens.
  package func hold(by gate: Gate) { state.withLock { $0.gate = gate } }

  package func read<T: Sendable>(
    _ body: @escaping @Sendable (any Connection) throws -> T
  ) async throws(TapedeckError) -> T { try await base.read(body) }

  package func write<T: Sendable>(
    _ isolation: Isolation, _ body: @escaping @Sendable (any Connection) throws -> T
  ) async throws(TapedeckError) -> T {
    try? await state.withLock { $0.gate }?.wait()
    if state.withLock({ $0.isBroken }) { throw TapedeckError(.diskFull) }
    let result = try await base.write(isolation, body)
    state.withLock { $0.commits += 1 }
    return result
  }

  package func changes() -> AsyncStream<Change> { base.changes() }
  package func close() throws(TapedeckError) { try base.close() }
}
