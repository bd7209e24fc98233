import Access
import Model
import Synchronization
import TestKit
import Testing

private final class Refused: Sendable {
  let count = Mutex(0)
}

/// The first hash waits for the test; the others follow in the order that the queue chooses.
private final class HeldHashes: Sendable {
  let gate = Gate()
  private let passwords = Mutex<[String]>([])

  /// The passwords in the order in which their hashes were begun.
  var order: [String] { passwords.withLock { $0 } }

  var derive: PasswordHasher.Derive {
    { password, _, _ in
      let isFirst = self.passwords.withLock { passwords in
        passwords.append(password)
        return passwords.count == 1
      }
      if isFirst { try await self.gate.wait() }
      return Array(repeating: 7, count: 32)
    }
  }
}

@Suite struct SignInQueueTests {
  private typealias Queue = SignInQueue<String>

  private func filled(_ places: [(Queue.Place, Int)]) -> Queue {
    var queue = Queue()
    for (place, count) in places {
      for number in 0..<count { _ = queue.add("\(place.key)\(number)", at: place) }
    }
    return queue
  }

  private func drained(_ queue: Queue) -> [String] {
    var queue = queue
    var order: [String] = []
    while let next = queue.next() { order.append(next) }
    return order
  }

  // MARK: Order

  @Test func `addresses take turns, and each address keeps its own order`() {
    let queue = filled([
      (.init("a", isKnown: false), 3), (.init("b", isKnown: false), 2), (.init("c", isKnown: false), 1),
    ])
    #expect(drained(queue) == ["a0", "b0", "c0", "a1", "b1", "a2"])
  }

  @Test func `known and new addresses are served alternately while both wait`() {
    let queue = filled([(.init("n", isKnown: false), 4), (.init("k", isKnown: true), 2)])
    #expect(drained(queue) == ["k0", "n0", "k1", "n1", "n2", "n3"])
  }

  @Test(arguments: [1, 3, 8])
  func `a queue has a limit for new and one for known addresses`(limit: Int) {
    var queue = Queue(perGroup: limit)
    for isKnown in [false, true] {
      let added = (0..<20).filter { queue.add("\($0)", at: .init("a\($0)", isKnown: isKnown)) }
      #expect(added == Array(0..<limit))
    }
    #expect(queue.count == 2 * limit)
    _ = queue.next()
    let isAdded = queue.add("later", at: .init("later", isKnown: true))
    #expect(isAdded)
  }

  @Test func `an empty queue has no next`() {
    #expect(drained(Queue()).isEmpty)
    var queue = filled([(.init("a", isKnown: true), 1)])
    let (first, second) = (queue.next(), queue.next())
    #expect(first == "a0" && second == nil && queue.count == 0)
  }

  @Test(arguments: [(false, 4), (true, 16)])
  func `one address has a few places only`(isKnown: Bool, places: Int) {
    var queue = Queue()
    let own = Queue.Place("a", isKnown: isKnown)
    let added = (0..<100).count { queue.add("\($0)", at: own) }
    #expect(added == places && queue.count == places)
    let other = queue.add("other", at: .init("b", isKnown: isKnown))
    _ = queue.next()
    let again = queue.add("again", at: own)
    #expect(other && again)
  }

  @Test func `many new addresses bound the queue and leave places for known ones`() {
    var queue = Queue()
    for number in 0..<10_000 { _ = queue.add("x", at: .init("new \(number)", isKnown: false)) }
    #expect(queue.count == 512)
    let isAdded = queue.add("y", at: .init("known", isKnown: true))
    let next = queue.next()
    #expect(isAdded && next == "y")
  }

  // MARK: Hashes

  private func flooded(
    addresses: Int, attempts: Int, _ others: [(password: String, place: PasswordHasher.Place)]
  ) async throws -> (order: [String], rejected: Int) {
    let hashes = HeldHashes()
    let passwords = PasswordHasher(derive: hashes.derive)
    let refused = Refused()
    return try await withThrowingTaskGroup(of: Bool.self) { group in
      func start(_ password: String, _ place: PasswordHasher.Place) {
        group.addTask {
          do throws(TapedeckError) {
            _ = try await passwords.matches(password, stored: nil, at: place)
            return true
          } catch {
            refused.count.withLock { $0 += 1 }
            return false
          }
        }
      }
      start("first", .init("flood 0", isKnown: false))
      try await until { hashes.order == ["first"] }
      for address in 0..<addresses {
        for _ in 0..<attempts { start("flood", .init("flood \(address)", isKnown: false)) }
      }
      let expected = addresses * min(attempts, 4)
      // An attempt that comes after a hash has ended would find a place.
      try await until {
        passwords.waiting == expected && refused.count.withLock { $0 } == addresses * attempts - expected
      }
      for (number, other) in others.enumerated() {
        start(other.password, other.place)
        try await until { passwords.waiting == expected + number + 1 }
      }
      hashes.gate.open()
      let answers = try await group.reduce(into: [Bool]()) { $0.append($1) }
      return (hashes.order, answers.count { !$0 })
    }
  }

  @Test func `one address cannot fill the queue`() async throws {
    let (order, rejected) = try await flooded(
      addresses: 1, attempts: 100, [("mine", .init("192.0.2.9", isKnown: false))])
    // After the hash in progress and one turn of the flood.
    #expect(try #require(order.firstIndex(of: "mine")) <= 2)
    #expect(rejected == 96)
  }

  @Test func `a flood from 40 addresses does not delay an address that signed in before`() async throws {
    let (order, _) = try await flooded(
      addresses: 40, attempts: 6, [("known", .init("192.0.2.9", isKnown: true))])
    #expect(try #require(order.firstIndex(of: "known")) <= 2)
  }

  @Test func `a new address gets its turn after each address of a flood had one`() async throws {
    let (order, _) = try await flooded(
      addresses: 40, attempts: 6, [("new", .init("192.0.2.9", isKnown: false))])
    #expect(try #require(order.firstIndex(of: "new")) <= 41)
    #expect(order.count == 1 + 160 + 1)
  }

  @Test func `known addresses take turns among themselves`() async throws {
    let place = PasswordHasher.Place("busy", isKnown: true)
    let (order, _) = try await flooded(
      addresses: 3, attempts: 1,
      [("busy 1", place), ("busy 2", place), ("busy 3", place), ("quiet", .init("quiet", isKnown: true))])
    #expect(order.filter { $0 != "flood" } == ["first", "busy 1", "quiet", "busy 2", "busy 3"])
  }

  @Test func `a hash that fails passes the turn on`() async throws {
    struct Failure: Error {}
    let passwords = PasswordHasher(derive: { _, _, _ in throw Failure() })
    for _ in 0..<3 {
      #expect(
        await failure { try await passwords.matches("x", stored: nil, at: .init("a", isKnown: false)) }
          == .internalError)
    }
  }

  @Test func `an address is known after a sign-in, for 30 days, with its IPv6 network`() {
    let throttle = SignInThrottle()
    let clock = TestClock()
    #expect(!throttle.place(of: "2001:db8:1:2::1", at: clock.now).isKnown)
    throttle.recordSuccess(name: "anna", address: "2001:db8:1:2::1", at: clock.now)
    #expect(throttle.place(of: "2001:db8:1:2::ff", at: clock.now).isKnown)
    #expect(!throttle.place(of: "2001:db8:1:3::1", at: clock.now).isKnown)
    clock.advance(by: .seconds(30 * 86_400))
    #expect(!throttle.place(of: "2001:db8:1:2::1", at: clock.now).isKnown)
  }
}
