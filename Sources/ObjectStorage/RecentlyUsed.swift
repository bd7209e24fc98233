import Synchronization

/// What is remembered of the objects that were used last, since a player asks for one of them in many ranges.
final class RecentlyUsed<Value: Sendable>: Sendable {
  private struct State: Sendable {
    var values: [ObjectKey: Value] = [:]
    /// The one that was used last is last.
    var order: [ObjectKey] = []
    var forgettings: UInt64 = 0

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

  /// How often something was forgotten. Whoever looks an object up asks for it first.
  var forgettings: UInt64 { state.withLock { $0.forgettings } }

  /// Remembers what was found, unless something was forgotten since: it may be this, and then it is out of date.
  func note(_ value: Value, _ key: ObjectKey, since forgettings: UInt64) {
    state.withLock { state in
      guard state.forgettings == forgettings else { return }
      state.values[key] = value
      state.touch(key)
      if state.order.count > limit { state.values[state.order.removeFirst()] = nil }
    }
  }

  func forget(_ key: ObjectKey) {
    state.withLock { state in
      state.forgettings += 1
      state.values[key] = nil
      state.order.removeAll { $0 == key }
    }
  }
}
