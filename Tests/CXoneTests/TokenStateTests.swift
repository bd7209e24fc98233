import CXone
import Model
import Testing

@Suite struct TokenStateTests {
  let now = Instant(milliseconds: 1_000_000)

  func token(_ value: String, expiresIn: Int64 = 3600) -> AccessToken {
    AccessToken(value: value, expiresIn: expiresIn, scopes: nil, now: now)
  }

  @Test(arguments: [(3600, 3_540_000), (120, 60_000), (119, 59_500), (1, 500), (0, 0), (-5, 0)] as [(Int64, Int64)])
  func `a token is renewed 60 s before it expires, a short-lived one after half its lifetime`(
    lifetime: Int64, milliseconds: Int64
  ) {
    #expect(token("a", expiresIn: lifetime).renewAt == now + .milliseconds(milliseconds))
  }

  @Test func `a lifetime of any length does not crash`() {
    #expect(token("a", expiresIn: .max).renewAt > now)
  }

  @Test func `the first caller starts a renewal and the others wait for it`() {
    var state = TokenState()
    #expect(state.ask(1, now: now) == .startRenewal(1))
    #expect(state.ask(2, now: now) == .wait)
    #expect(state.end(1, token: token("a")) == [1, 2])
    #expect(state.ask(3, now: now) == .use(token("a")))
    #expect(state.ask(4, now: now + .seconds(3540)) == .startRenewal(2))
  }

  @Test func `a failed renewal is reported to all waiting callers, and the next caller tries again`() {
    var state = TokenState()
    _ = state.ask(1, now: now)
    _ = state.ask(2, now: now)
    #expect(state.end(1, token: nil) == [1, 2])
    #expect(state.ask(3, now: now) == .startRenewal(2))
  }

  @Test func `only the last caller that leaves cancels the renewal`() {
    var state = TokenState()
    _ = state.ask(1, now: now)
    _ = state.ask(2, now: now)
    #expect(state.leave(1) == .left)
    #expect(state.leave(1) == .nothing)
    #expect(state.leave(2) == .leftAlone(1))
    #expect(state.ask(3, now: now) == .startRenewal(2))
    // The cancelled renewal ends late and is ignored.
    #expect(state.end(1, token: token("old")) == [])
    #expect(state.end(2, token: token("new")) == [3])
  }

  @Test func `only the token in use can be dropped`() {
    var state = TokenState()
    _ = state.ask(1, now: now)
    _ = state.end(1, token: token("a"))
    state.drop(token("older"))
    #expect(state.ask(2, now: now) == .use(token("a")))
    state.drop(token("a"))
    #expect(state.ask(3, now: now) == .startRenewal(2))
    state.drop(token("a"))
    #expect(state.ask(4, now: now) == .wait)
  }

  @Test func `a token is not printed`() {
    let secret = token("canary")
    #expect(!"\(secret) \(String(reflecting: secret)) \(String(describing: [secret]))".contains("canary"))
    var dumped = ""
    dump(secret, to: &dumped)
    #expect(!dumped.contains("canary"))
  }
}
