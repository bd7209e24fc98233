package import Catalog
package import Model
import Synchronization

/// A database whose write transactions a test can count, hold and fail.
package final class HeldDatabase: Database {
  private struct State {
    var writes = 0
    var commits = 0
    var isBroken = false
    var gate: Gate?
  }

  private let base: any Database
  private let state = Mutex(State())

  package init(_ base: any Database) { self.base = base }

  /// The number of write transactions that were begun, whatever became of them.
  package var writes: Int { state.withLock { $0.writes } }

  /// The number of committed write transactions.
  package var commits: Int { state.withLock { $0.commits } }

  /// Makes every write fail, or succeed again.
  package func setBroken(_ isBroken: Bool) { state.withLock { $0.isBroken = isBroken } }

  /// Holds all writes until the gate opens.
  package func hold(by gate: Gate) { state.withLock { $0.gate = gate } }

  /// Waits until a write has begun, which may be held.
  package func waitForWrite() async {
    while state.withLock({ $0.writes }) == 0 { await Task.yield() }
  }

  package func read<T: Sendable>(
    _ body: @escaping @Sendable (any Connection) throws -> T
  ) async throws(TapedeckError) -> T { try await base.read(body) }

  package func write<T: Sendable>(
    _ isolation: Isolation, _ body: @escaping @Sendable (any Connection) throws -> T
  ) async throws(TapedeckError) -> T {
    let gate = state.withLock { state in
      state.writes += 1
      return state.gate
    }
    try? await gate?.wait()
    if state.withLock({ $0.isBroken }) { throw TapedeckError(.diskFull) }
    let result = try await base.write(isolation, body)
    state.withLock { $0.commits += 1 }
    return result
  }

  package func changes() -> AsyncStream<Change> { base.changes() }
  package func close() throws(TapedeckError) { try base.close() }
}
