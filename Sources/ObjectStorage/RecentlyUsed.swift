import Synchronization

/// What is remembered of the objects that were used last, since a player asks for one of them in many ranges.
final class RecentlyUsed<Value: Sendable>: Sendable {
  private struct State: Sendable {
    var values: [ObjectKey: Value] = [:]
    /// The one that was used last is last.
    var order: [ObjectKey] = []

    mutating func touch(_ key: ObjectKey) {
      order.removeAll { $0 == key }
      order.append(key)
    }
  }

  private let state = Mutex(State())
  private let limit: Int

  init(limit: Int = 64) { self.limit = limit }

  func value(_ key: ObjectKey) -> Value? {
    state.withLock { state -> Value? in
      guard let value = state.values[key] else { return nil }
      state.touch(key)
      return value
    }
  }

  func note(_ value: Value, _ key: ObjectKey) {
    state.withLock { state in
      state.values[key] = value
      state.touch(key)
      if state.order.count > limit { state.values[state.order.removeFirst()] = nil }
    }
  }

  func forget(_ key: ObjectKey) {
    state.withLock { state in
      state.values[key] = nil
      state.order.removeAll { $0 == key }
    }
  }
}
