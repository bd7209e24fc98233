import Pipeline
import TestKit
import Testing

@Suite(.timeLimit(.minutes(5)))
struct SlotsTests {
  /// Waits until a task is queued for a slot.
  private func untilWanted(_ slots: Slots) async throws {
    try await until { await slots.isWanted }
  }

  @Test func `no more slots are handed out than there are`() async throws {
    let slots = Slots(2)
    #expect(await slots.takeIfFree())
    #expect(await slots.takeIfFree())
    #expect(await !slots.takeIfFree())
    await slots.give()
    #expect(await slots.takeIfFree())
  }

  @Test func `a limit of zero or less still provides one slot`() async throws {
    #expect(await Slots(0).takeIfFree())
    #expect(await Slots(-3).takeIfFree())
  }

  @Test func `slots are handed out in the order of waiting`() async throws {
    let slots = Slots(1)
    try await slots.take()
    let order = Order()
    try await withThrowingTaskGroup(of: Void.self) { group in
      for number in 0..<5 {
        group.addTask {
          try await slots.take()
          await order.add(number)
          await slots.give()
        }
        // The next task must not start before this one is queued.
        try await until { await slots.waiting > number }
      }
      await slots.give()
      try await group.waitForAll()
    }
    #expect(await order.numbers == [0, 1, 2, 3, 4])
    #expect(await slots.takeIfFree())
  }

  @Test func `a waiter that is cancelled takes no slot`() async throws {
    let slots = Slots(1)
    try await slots.take()
    let waiting = Task { try await slots.take() }
    try await untilWanted(slots)
    waiting.cancel()
    await #expect(throws: CancellationError.self) { try await waiting.value }
    #expect(await !slots.isWanted)
    await slots.give()
    #expect(await slots.takeIfFree())
  }

  @Test func `a task that is already cancelled takes no slot`() async throws {
    let slots = Slots(1)
    try await slots.take()
    let gate = Gate()
    let late = Task {
      try? await gate.wait()
      try await slots.take()
    }
    late.cancel()
    await #expect(throws: CancellationError.self) { try await late.value }
    await slots.give()
    #expect(await slots.takeIfFree())
  }

  @Test func `slots survive any mixture of waiting, cancelling and releasing`() async throws {
    let slots = Slots(3)
    await withTaskGroup(of: Void.self) { group in
      for number in 0..<300 {
        group.addTask {
          let work = Task {
            try await slots.take()
            await Task.yield()
            await slots.give()
          }
          if number % 3 == 0 { work.cancel() }
          _ = try? await work.value
        }
      }
    }
    for _ in 0..<3 { #expect(await slots.takeIfFree()) }
    #expect(await !slots.takeIfFree())
  }
}

private actor Order {
  private(set) var numbers: [Int] = []
  func add(_ number: Int) { numbers.append(number) }
}
