import Synchronization

/// Results of queries since the last commit, for a database with one writer that reports each commit.
package final class QueryCache: Sendable {
  private struct Answer<T: Sendable>: Sendable { let value: T }

  private struct State {
    var commits: UInt64 = 0
    /// While a commit is in progress, readers may already see the new rows, so old results must not be returned.
    var isCommitting = false
    var answers: [CachedQuery: any Sendable] = [:]
  }

  private let state = Mutex(State())
  private let limit: Int

  package init(limit: Int = 512) { self.limit = limit }

  /// Disables the cache until `committed()`, since a transaction is about to be committed.
  package func committing() { state.withLock { $0.isCommitting = true } }

  /// Empties the cache after a transaction has ended, whether or not it was committed. Must be called before the writer
  /// gets its result.
  package func committed() {
    state.withLock { state in
      state.isCommitting = false
      state.commits += 1
      state.answers = [:]
    }
  }

  /// The cached result, or the result of `find`, which is cached unless a transaction was committed meanwhile.
  package func answer<T: Sendable>(to question: CachedQuery, _ find: () throws -> T) rethrows -> T {
    let (known, commits) = state.withLock { state in
      (state.isCommitting ? nil : state.answers[question] as? Answer<T>, state.commits)
    }
    if let known { return known.value }
    let value = try find()
    state.withLock { state in
      guard state.commits == commits, !state.isCommitting else { return }
      if state.answers.count >= limit { state.answers = [:] }
      state.answers[question] = Answer(value: value)
    }
    return value
  }
}
