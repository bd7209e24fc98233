import Synchronization

/// Publishes committed changes to the subscribers in this process.
final class ChangeFeed: Sendable {
  private struct State {
    var next = 0
    var subscribers: [Int: AsyncStream<Change>.Continuation] = [:]
    var isFinished = false
  }

  private let state = Mutex(State())

  func subscribe() -> AsyncStream<Change> {
    let (stream, continuation) = AsyncStream.makeStream(of: Change.self, bufferingPolicy: .bufferingNewest(4096))
    let number: Int? = state.withLock { state in
      guard !state.isFinished else { return nil }
      state.next += 1
      state.subscribers[state.next] = continuation
      return state.next
    }
    guard let number else {
      continuation.finish()
      return stream
    }
    continuation.onTermination = { [weak self] _ in
      self?.state.withLock { _ = $0.subscribers.removeValue(forKey: number) }
    }
    return stream
  }

  func publish(_ changes: [Change]) {
    guard !changes.isEmpty else { return }
    let subscribers = state.withLock { Array($0.subscribers.values) }
    for subscriber in subscribers {
      for change in changes { subscriber.yield(change) }
    }
  }

  func finish() {
    let subscribers = state.withLock { state in
      state.isFinished = true
      defer { state.subscribers = [:] }
      return Array(state.subscribers.values)
    }
    for subscriber in subscribers { subscriber.finish() }
  }
}
