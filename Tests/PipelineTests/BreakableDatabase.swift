import Catalog
import Model
import Synchronization
import TestKit

/// A database that can be made to fail or to block all calls.
final class BreakableDatabase: Database {
  private enum State {
    case working, failing
    case hanging(Gate)
  }

  private let base: any Database
  private let state = Mutex(State.working)

  init(_ base: any Database) { self.base = base }

  func fail() { state.withLock { $0 = .failing } }
  func hang(until gate: Gate) { state.withLock { $0 = .hanging(gate) } }
  func work() { state.withLock { $0 = .working } }

  private func pass() async throws(TapedeckError) {
    switch state.withLock({ $0 }) {
    case .working: return
    case .failing: throw TapedeckError(.catalogFailed, "The test's database is gone.")
    case .hanging(let gate):
      // A call that waits for a database cannot be cancelled.
      await Task { try? await gate.wait() }.value
      throw TapedeckError(.catalogFailed, "The test's database was gone.")
    }
  }

  func read<T: Sendable>(
    _ body: @escaping @Sendable (any Connection) throws -> T
  ) async throws(TapedeckError) -> T {
    try await pass()
    return try await base.read(body)
  }

  func write<T: Sendable>(
    _ isolation: Isolation, _ body: @escaping @Sendable (any Connection) throws -> T
  ) async throws(TapedeckError) -> T {
    try await pass()
    return try await base.write(isolation, body)
  }

  func changes() -> AsyncStream<Change> { base.changes() }
  func close() throws(TapedeckError) { try base.close() }
}
