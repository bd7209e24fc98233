import Model
import NIOPosix
import ObjectStorage
import Synchronization

extension NIOThreadPool {
  /// Runs a blocking file operation on one of the threads.
  ///
  /// When this returns, no thread holds `body` or its result any more. A spool file is therefore closed as soon as its
  /// user releases it, and the next claim finds it unlocked.
  ///
  /// - Throws: `diskFull`, `interrupted`, `storageFailed`; a `TapedeckError` of `body` unchanged.
  func runSpoolOperation<T: Sendable>(
    _ what: String, _ body: @escaping @Sendable () throws -> T
  ) async throws(TapedeckError) -> T {
    let operation = Handover(body)
    let result = Handover<T>()
    do {
      try await runIfActive { if let body = operation.take() { result.put(try body()) } }
    } catch {
      throw fileSystemError(error, what)
    }
    guard let value = result.take() else { throw TapedeckError(.internalError, detail: what) }
    return value
  }
}

/// A value that one task passes to another, and no longer uses after that.
private final class Handover<Value: Sendable>: Sendable {
  private let value: Mutex<Value?>

  init(_ value: Value? = nil) { self.value = Mutex(value) }

  func put(_ new: Value) { value.withLock { $0 = new } }

  func take() -> Value? {
    value.withLock { value in
      defer { value = nil }
      return value
    }
  }
}
