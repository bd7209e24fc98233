import Access
import Model
import TestKit
import Testing

@Suite struct SignInThrottleTests {
  let throttle = SignInThrottle()
  let clock = TestClock()

  /// How long an attempt must wait; nil when it is admitted.
  private func attempt(_ name: String = "anna", from address: String = "192.0.2.1") async -> Duration? {
    await error { try throttle.admit(name: name, address: address, at: clock.now) }?.retryAfter
  }

  @Test func `after five failures each attempt waits longer, up to five minutes`() async {
    for _ in 0..<5 { #expect(await attempt() == nil) }
    for wait in [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300] {
      #expect(await attempt() == .seconds(wait))
      clock.advance(by: .seconds(wait) - .milliseconds(1))
      #expect(await attempt() == .milliseconds(1))
      clock.advance(by: .milliseconds(1))
      #expect(await attempt() == nil)
    }
  }

  @Test func `setting the clock back does not lengthen a wait`() async {
    for _ in 0..<13 {
      _ = await attempt()
      clock.advance(by: .seconds(300))
    }
    for _ in 0..<13 { _ = await attempt() }
    #expect(await attempt() != nil)
    clock.jump(by: .seconds(-3600))
    #expect(await attempt() == nil)
    #expect(await attempt() != nil)
  }

  @Test func `failed attempts are forgotten although the clock was set back`() async {
    for _ in 0..<5 { _ = await attempt() }
    clock.jump(by: .seconds(-86_400))
    _ = await attempt()
    clock.advance(by: .seconds(3600))
    for _ in 0..<5 { #expect(await attempt() == nil) }
  }

  @Test func `only five of many concurrent attempts are admitted`() async {
    let admitted = await withTaskGroup(of: Bool.self) { group in
      for _ in 0..<200 { group.addTask { await attempt() == nil } }
      return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
    }
    #expect(admitted == 5)
  }

  @Test func `an IPv6 /64 network counts as one address`() async {
    for number in 0..<5 { #expect(await attempt(from: "2001:db8:1:2::\(number)") == nil) }
    #expect(await attempt(from: "2001:db8:1:2:ffff::1") != nil)
    #expect(await attempt(from: "2001:db8:1:3::1") == nil)
  }

  @Test(arguments: ["::ffff:192.0.2.", "::FFFF:192.0.2.", "0:0:0:0:0:ffff:192.0.2.", "192.0.2."])
  func `IPv4 addresses in any form are counted one by one`(prefix: String) async {
    for number in 0..<40 { _ = await attempt("x\(number)", from: prefix + "1") }
    #expect(await attempt("anna", from: prefix + "1") != nil)
    #expect(await attempt("anna", from: "192.0.2.1") != nil)
    #expect(await attempt("anna", from: prefix + "2") == nil)
    throttle.recordSuccess(name: "anna", address: prefix + "2", at: clock.now)
    #expect(throttle.place(of: "192.0.2.2", at: clock.now).isKnown)
    #expect(!throttle.place(of: prefix + "3", at: clock.now).isKnown)
  }

  @Test func `a throttled attempt affects neither other addresses nor other names`() async {
    for _ in 0..<6 { _ = await attempt() }
    #expect(await attempt() != nil)
    #expect(await attempt(from: "192.0.2.2") == nil)
    #expect(await attempt("berta") == nil)
    #expect(await attempt("anna ", from: "192.0.2.3") == nil)
  }

  @Test func `a successful sign-in clears earlier failures`() async {
    for _ in 0..<3 {
      for _ in 0..<4 { #expect(await attempt() == nil) }
      throttle.recordSuccess(name: "anna", address: "192.0.2.1", at: clock.now)
    }
  }

  @Test func `an address that tries many names is throttled`() async {
    for number in 0..<30 { #expect(await attempt("name \(number)") == nil) }
    #expect(await attempt("name 31") == .seconds(1))
    #expect(await attempt("name 31", from: "192.0.2.2") == nil)
  }

  @Test func `a successful sign-in does not clear the count of its address`() async {
    for number in 0..<29 { #expect(await attempt("name \(number)") == nil) }
    #expect(await attempt("mine") == nil)
    throttle.recordSuccess(name: "mine", address: "192.0.2.1", at: clock.now)
    #expect(await attempt("name 30") == nil)
    #expect(await attempt("name 31") != nil)
  }

  @Test func `hundreds of users can sign in from one address`() async {
    for number in 0..<500 {
      #expect(await attempt("person \(number)") == nil)
      throttle.recordSuccess(name: "person \(number)", address: "192.0.2.1", at: clock.now)
    }
  }

  @Test func `occasional failures over a day lead to no wait`() async {
    // One failure every two minutes from the address, one every 16 minutes for Anna.
    for slip in 0..<500 {
      #expect(await attempt(slip.isMultiple(of: 8) ? "anna" : "person \(slip)") == nil)
      clock.advance(by: .seconds(120))
    }
  }

  @Test func `many addresses do not grow memory without bound and lock no user out`() async {
    for number in 0..<30_000 { #expect(await attempt("x", from: "address \(number)") == nil) }
    #expect(throttle.size <= 10_002)
    #expect(await attempt() == nil)
  }
}
