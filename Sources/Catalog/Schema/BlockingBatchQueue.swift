import Foundation
import Model

/// Transfers rows from a transaction of one database to a transaction of another; both block their threads. It holds at
/// most four batches; then the sender waits.
final class BlockingBatchQueue: @unchecked Sendable {  // All state is accessed under `condition`.
  enum Item: Sendable {
    case begin(CatalogTable, columns: [String], rows: Int64)
    case rows([[Value]])
    case end(TableContent)
  }

  private static let capacity = 4

  private let condition = NSCondition()
  private var items: [Item] = []
  private var outcome: Result<Void, TapedeckError>?
  private var isReceiving = false
  private var isAbandoned = false

  /// - Returns: false when the receiver has stopped.
  @discardableResult
  func send(_ item: Item) -> Bool {
    condition.withLock {
      while items.count >= Self.capacity, !isAbandoned { condition.wait() }
      guard !isAbandoned else { return false }
      items.append(item)
      condition.broadcast()
      return true
    }
  }

  /// Ends the queue: everything was sent, or the sender failed.
  func finish(_ error: TapedeckError?) {
    condition.withLock {
      outcome = error.map { .failure($0) } ?? .success(())
      condition.broadcast()
    }
  }

  /// - Returns: false when receiving has already begun.
  func beginReceiving() -> Bool {
    condition.withLock {
      defer { isReceiving = true }
      return !isReceiving
    }
  }

  /// The next item; nil after the last.
  ///
  /// - Throws: the error of the sender.
  func receive() throws(TapedeckError) -> Item? {
    let next: Result<Item?, TapedeckError> = condition.withLock {
      while items.isEmpty, outcome == nil { condition.wait() }
      if case .failure(let error) = outcome { return .failure(error) }
      defer { condition.broadcast() }
      return .success(items.isEmpty ? nil : items.removeFirst())
    }
    return try next.get()
  }

  /// Stops receiving; a waiting sender returns.
  func abandon() {
    condition.withLock {
      isAbandoned = true
      condition.broadcast()
    }
  }
}
