import Model
import Synchronization
import TestKit
import Testing

@Suite(.timeLimit(.minutes(5)))
struct AsyncSemaphoreTests {
  @Test func `no more permits are given than there are`() {
    let semaphore = AsyncSemaphore(2)
    #expect(semaphore.tryAcquire())
    #expect(semaphore.tryAcquire())
    #expect(!semaphore.tryAcquire())
    semaphore.release()
    #expect(semaphore.tryAcquire())
  }

  @Test(arguments: [0, -3]) func `a limit below one still provides one permit`(permits: Int) {
    let semaphore = AsyncSemaphore(permits)
    #expect(semaphore.tryAcquire())
    #expect(!semaphore.tryAcquire())
  }

  @Test func `permits are given in the order of waiting`() async throws {
    let semaphore = AsyncSemaphore(1)
    try await semaphore.acquire()
    let order = Values()
    try await withThrowingTaskGroup(of: Void.self) { group in
      for number in 0..<5 {
        group.addTask {
          try await semaphore.withPermit { () async throws(TapedeckError) in order.add(number) }
        }
        // The next task must not start before this one waits.
        try await until { semaphore.waiterCount > number }
      }
      semaphore.release()
      try await group.waitForAll()
    }
    #expect(order.all == [0, 1, 2, 3, 4])
    #expect(semaphore.tryAcquire())
  }

  @Test func `a waiter that is cancelled takes no permit, and the next one gets it`() async throws {
    let semaphore = AsyncSemaphore(1)
    try await semaphore.acquire()
    let cancelled = Task { try await semaphore.acquire() }
    try await until { semaphore.waiterCount == 1 }
    let next = Task { try await semaphore.acquire() }
    try await until { semaphore.waiterCount == 2 }
    cancelled.cancel()
    let error = await #expect(throws: TapedeckError.self) { try await cancelled.value }
    #expect(error?.code == .interrupted)
    #expect(semaphore.waiterCount == 1)
    semaphore.release()
    try await next.value
    #expect(!semaphore.tryAcquire())
  }

  @Test func `a task that is already cancelled takes no permit`() async throws {
    let semaphore = AsyncSemaphore(1)
    let gate = Gate()
    let late = Task {
      try? await gate.wait()
      try await semaphore.acquire()
    }
    late.cancel()
    await #expect(throws: TapedeckError.self) { try await late.value }
    #expect(semaphore.tryAcquire())
  }

  @Test func `an error releases the permit`() async throws {
    let semaphore = AsyncSemaphore(1)
    let error = await #expect(throws: TapedeckError.self) {
      try await semaphore.withPermit { () async throws(TapedeckError) in throw TapedeckError(.storageFailed) }
    }
    #expect(error?.code == .storageFailed)
    #expect(semaphore.tryAcquire())
  }

  @Test func `no more tasks run at a time than there are permits`() async throws {
    let semaphore = AsyncSemaphore(2)
    let changes = Values()
    try await withThrowingTaskGroup(of: Void.self) { group in
      for _ in 0..<50 {
        group.addTask {
          try await semaphore.withPermit { () async throws(TapedeckError) in
            changes.add(1)
            await Task.yield()
            changes.add(-1)
          }
        }
      }
      try await group.waitForAll()
    }
    var running = 0
    for change in changes.all {
      running += change
      #expect(running <= 2)
    }
    #expect(changes.all.count == 100)
  }

  @Test func `no permit is lost in a mixture of waiting, cancelling and releasing`() async {
    let semaphore = AsyncSemaphore(3)
    await withTaskGroup(of: Void.self) { group in
      for number in 0..<300 {
        group.addTask {
          let work = Task {
            try await semaphore.withPermit { () async throws(TapedeckError) in await Task.yield() }
          }
          if number % 3 == 0 { work.cancel() }
          _ = try? await work.value
        }
      }
    }
    for _ in 0..<3 { #expect(semaphore.tryAcquire()) }
    #expect(!semaphore.tryAcquire())
  }
}

/// Collects values of concurrent tasks in their order.
private final class Values: Sendable {
  private let values = Mutex<[Int]>([])

  var all: [Int] { values.withLock { $0 } }
  func add(_ value: Int) { values.withLock { $0.append(value) } }
}
