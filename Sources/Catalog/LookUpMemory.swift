import Synchronization

/// What look-ups found since the last commit. For a database with one writer, which says when something was committed.
final class LookUpMemory: Sendable {
  private struct Answer<T: Sendable>: Sendable { let value: T }

  private struct State {
    var commits: UInt64 = 0
    var answers: [LookUp: any Sendable] = [:]
  }

  private let state = Mutex(State())
  private let limit: Int

  init(limit: Int = 512) { self.limit = limit }

  /// Forgets everything: a transaction has ended, whatever became of it. Called before whoever wrote is told.
  func committed() {
    state.withLock { state in
      state.commits += 1
      state.answers = [:]
    }
  }

  /// The answer as it is remembered, or else what `find` says, which is remembered unless something was committed
  /// meanwhile.
  func answer<T: Sendable>(to question: LookUp, _ find: () throws -> T) rethrows -> T {
    let (known, commits) = state.withLock { ($0.answers[question] as? Answer<T>, $0.commits) }
    if let known { return known.value }
    let value = try find()
    state.withLock { state in
      guard state.commits == commits else { return }
      if state.answers.count >= limit { state.answers = [:] }
      state.answers[question] = Answer(value: value)
    }
    return value
  }
}
