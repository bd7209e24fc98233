import Synchronization

/// Counts events of several tasks.
final class Counter: Sendable {
  private let number = Mutex(0)

  var value: Int { number.withLock { $0 } }

  @discardableResult
  func count() -> Int {
    number.withLock { number in
      number += 1
      return number
    }
  }
}
