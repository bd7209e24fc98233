/// A bounded number of places, given out in the order in which they were asked for.
package actor Slots {
  private var free: Int
  private var waiters: [(number: Int, continuation: CheckedContinuation<Bool, Never>)] = []
  private var next = 0

  package init(_ count: Int) { free = max(1, count) }

  /// Whether any task waits for a place.
  package var isWanted: Bool { waiting > 0 }

  /// How many wait for a place.
  package var waiting: Int { waiters.count }

  /// Takes a place if one is free now.
  package func takeIfFree() -> Bool {
    guard free > 0 else { return false }
    free -= 1
    return true
  }

  /// Waits for a place.
  ///
  /// - Throws: `CancellationError`; no place is taken then.
  package func take() async throws {
    if takeIfFree() { return }
    next += 1
    let number = next
    let isTaken = await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        if Task.isCancelled { continuation.resume(returning: false) } else { waiters.append((number, continuation)) }
      }
    } onCancel: {
      // Unstructured, because a cancellation handler cannot wait for the actor.
      Task { await self.leave(number) }
    }
    if !isTaken { throw CancellationError() }
  }

  package func give() {
    if waiters.isEmpty { free += 1 } else { waiters.removeFirst().continuation.resume(returning: true) }
  }

  private func leave(_ number: Int) {
    guard let index = waiters.firstIndex(where: { $0.number == number }) else { return }
    waiters.remove(at: index).continuation.resume(returning: false)
  }
}
