import Synchronization

/// What look-ups found since the last commit. For a database with one writer, which says when something was committed.
package final class LookUpMemory: Sendable {
  private struct Answer<T: Sendable>: Sendable { let value: T }

  private struct State {
    var commits: UInt64 = 0
    /// Others may see what is being committed already, and would be told what was before it.
    var isCommitting = false
    var answers: [LookUp: any Sendable] = [:]
  }

  private let state = Mutex(State())
  private let limit: Int

  package init(limit: Int = 512) { self.limit = limit }

  /// Nothing is answered from memory until `committed()`: a transaction is about to be committed.
  package func committing() { state.withLock { $0.isCommitting = true } }

  /// Forgets everything: a transaction has ended, whatever became of it. Called before whoever wrote is told.
  package func committed() {
    state.withLock { state in
      state.isCommitting = false
      state.commits += 1
      state.answers = [:]
    }
  }

  /// The answer as it is remembered, or else what `find` says, which is remembered unless something was committed
  /// meanwhile.
  package func answer<T: Sendable>(to question: LookUp, _ find: () throws -> T) rethrows -> T {
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
