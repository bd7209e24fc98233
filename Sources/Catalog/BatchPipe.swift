import Foundation
import Model

/// Rows on their way from a transaction of one database to a transaction of another, each on a thread of its own that
/// may be blocked. Holds a few batches; whoever sends more waits.
final class BatchPipe: @unchecked Sendable {  // Everything in it is read and written under its lock.
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

  /// - Returns: false when nobody receives any more.
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

  /// Nothing more comes: all was sent, or it went wrong.
  func finish(_ error: TapedeckError?) {
    condition.withLock {
      outcome = error.map { .failure($0) } ?? .success(())
      condition.broadcast()
    }
  }

  /// - Returns: false when somebody else has begun.
  func beginReceiving() -> Bool {
    condition.withLock {
      defer { isReceiving = true }
      return !isReceiving
    }
  }

  /// The next item; nil behind the last.
  ///
  /// - Throws: what the sender gave up with.
  func receive() throws(TapedeckError) -> Item? {
    let next: Result<Item?, TapedeckError> = condition.withLock {
      while items.isEmpty, outcome == nil { condition.wait() }
      if case .failure(let error) = outcome { return .failure(error) }
      defer { condition.broadcast() }
      return .success(items.isEmpty ? nil : items.removeFirst())
    }
    return try next.get()
  }

  /// Nobody receives any more.
  func abandon() {
    condition.withLock {
      isAbandoned = true
      condition.broadcast()
    }
  }
}
