import Catalog
import Model
import Synchronization

/// A database that is unavailable for as long as a test wants.
final class AwayDatabase: Database {
  private let base: any Database
  private let state = Mutex((isAway: false, refused: 0))

  init(_ base: any Database) { self.base = base }

  /// The number of refused calls.
  var refused: Int { state.withLock { $0.refused } }

  func setAway(_ isAway: Bool) { state.withLock { $0.isAway = isAway } }

  func read<T: Sendable>(
    _ body: @escaping @Sendable (any Connection) throws -> T
  ) async throws(TapedeckError) -> T {
    try admit()
    return try await base.read(body)
  }

  func write<T: Sendable>(
    _ isolation: Isolation, _ body: @escaping @Sendable (any Connection) throws -> T
  ) async throws(TapedeckError) -> T {
    try admit()
    return try await base.write(isolation, body)
  }

  func changes() -> AsyncStream<Change> { base.changes() }

  func close() throws(TapedeckError) { try base.close() }

  private func admit() throws(TapedeckError) {
    let isAway = state.withLock { state in
      if state.isAway { state.refused += 1 }
      return state.isAway
    }
    if isAway { throw TapedeckError(.catalogFailed, "The test's database is away.") }
  }
}
