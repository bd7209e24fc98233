import GRDB
import Synchronization

/// A transaction that waits for SQLite's writer.
protocol WaitingWrite: Sendable {
  /// Runs its statements inside a transaction.
  func run(_ db: GRDB.Database) throws

  /// Returns to the caller after the commit.
  ///
  /// - Parameter failure: the error of the statements or of the commit.
  func finish(_ failure: (any Error)?)
}

/// The transactions that wait for SQLite's only writer.
///
/// A commit waits for the disk, which usually takes longer than the statements. So all transactions that are waiting
/// when the writer becomes free share one commit. Each runs in a savepoint: one that fails changes nothing else.
final class WriteQueue: Sendable {
  private let waiting = Mutex<(writes: [any WaitingWrite], isRunning: Bool)>(([], false))
  private let cache: QueryCache
  /// A limit, so that the first of many does not wait for all of them.
  private let maximum = 64

  init(cache: QueryCache) { self.cache = cache }

  func add(_ write: any WaitingWrite, for pool: DatabasePool) {
    let isRunning = waiting.withLock { state in
      state.writes.append(write)
      defer { state.isRunning = true }
      return state.isRunning
    }
    if !isRunning { pool.asyncWriteWithoutTransaction { db in self.runAll(db) } }
  }

  private func runAll(_ db: GRDB.Database) {
    while let writes = next() { run(writes, db) }
  }

  /// The next transactions; nil when none is waiting, after which `add` starts the writer again.
  private func next() -> [any WaitingWrite]? {
    waiting.withLock { state in
      let next = Array(state.writes.prefix(maximum))
      state.writes.removeFirst(next.count)
      state.isRunning = !next.isEmpty
      return next.isEmpty ? nil : next
    }
  }

  private func run(_ writes: [any WaitingWrite], _ db: GRDB.Database) {
    var failures: [(any Error)?] = []
    do {
      try db.inTransaction(.immediate) {
        for write in writes { failures.append(try failure(of: write, among: writes.count, db)) }
        cache.committing()
        return .commit
      }
    } catch {
      failures = failures.map { $0 ?? error } + Array(repeating: error, count: writes.count - failures.count)
    }
    // Before any caller continues, so that it finds its own rows.
    cache.committed()
    for (write, failure) in zip(writes, failures) { write.finish(failure) }
  }

  /// The error of one transaction, which has been undone.
  ///
  /// - Throws: its error when that ended the transaction of all, as a full disk can.
  private func failure(of write: any WaitingWrite, among count: Int, _ db: GRDB.Database) throws -> (any Error)? {
    do {
      guard count > 1 else {
        try write.run(db)
        return nil
      }
      try db.inSavepoint {
        try write.run(db)
        return .commit
      }
      return nil
    } catch {
      guard count > 1, db.isInsideTransaction else { throw error }
      return error
    }
  }
}
