import Model
import Synchronization

/// A small cache of the objects used last: a player requests one object in many ranges.
final class RecentlyUsed<Value: Sendable>: Sendable {
  private struct State: Sendable {
    var values: [ObjectName: Value] = [:]
    /// The most recently used name is last.
    var order: [ObjectName] = []
    var generation: UInt64 = 0

    mutating func touch(_ name: ObjectName) {
      if order.last == name { return }
      order.removeAll { $0 == name }
      order.append(name)
    }
  }

  private let state = Mutex(State())
  private let limit: Int

  init(limit: Int = 64) { self.limit = limit }

  func value(_ name: ObjectName) -> Value? {
    state.withLock { state -> Value? in
      guard let value = state.values[name] else { return nil }
      state.touch(name)
      return value
    }
  }

  /// The number of `forget` calls so far. Read it before looking up an object, and pass it to `note`.
  var generation: UInt64 { state.withLock { $0.generation } }

  /// Caches a value, unless `forget` was called since `generation` was read: the value may be out of date then.
  func note(_ value: Value, _ name: ObjectName, since generation: UInt64) {
    state.withLock { state in
      guard state.generation == generation else { return }
      state.values[name] = value
      state.touch(name)
      if state.order.count > limit { state.values[state.order.removeFirst()] = nil }
    }
  }

  func forget(_ name: ObjectName) {
    state.withLock { state in
      state.generation += 1
      state.values[name] = nil
      state.order.removeAll { $0 == name }
    }
  }
}
