import Access
import Catalog
import Model
import TestKit
import Testing

@Suite struct ListeningSessionsTests {
  static let anna = Identity(kind: .account, id: "acc_1", name: "anna", role: .agent)
  static let berta = Identity(kind: .account, id: "acc_2", name: "berta", role: .agent)
  static let first = RecordingKey(id: RecordingID("call-1")!)
  static let second = RecordingKey(id: RecordingID("call-2")!)

  private func serve(
    _ fixture: AccessFixture, _ recording: RecordingKey = first, to actor: Identity = anna, bytes: Int = 100
  ) async throws {
    let session = try await fixture.listening.begin(recording, by: actor, from: AccessFixture.origin)
    fixture.listening.sent(bytes, in: session)
  }

  @Test func `listening is logged before the first byte is sent`() async throws {
    let fixture = try await AccessFixture()
    _ = try await fixture.listening.begin(Self.first, by: Self.anna, from: AccessFixture.origin)
    let entries = try await fixture.entries(.listen)
    #expect(entries.map(\.actor?.id) == ["acc_1"])
    #expect(entries.first?.recording == Self.first)
    #expect(entries.first?.origin == AccessFixture.origin)
    #expect(entries.first?.outcome == .allowed)
  }

  @Test func `all ranges of a session share one entry, and their bytes are added up`() async throws {
    let fixture = try await AccessFixture()
    for _ in 0..<20 {
      try await serve(fixture)
      fixture.clock.advance(by: .seconds(14))
      try await fixture.listening.flush()
    }
    #expect(try await fixture.entries(.listen).count == 1)
    #expect(try await fixture.sent().isEmpty, "280 seconds have passed")
    fixture.clock.advance(by: .seconds(20))
    try await fixture.listening.flush()
    #expect(try await fixture.sent() == ["20 requests, 2000 bytes"])
    let entry = try #require(try await fixture.entries(.audioSent).first)
    #expect(entry.actor?.id == "acc_1")
    #expect(entry.recording == Self.first)
    #expect(entry.details["session"] == "1")
  }

  @Test func `a long session has an entry about its bytes every five minutes`() async throws {
    let fixture = try await AccessFixture()
    for _ in 0..<15 {
      try await serve(fixture)
      fixture.clock.advance(by: .seconds(60))
      try await fixture.listening.flush()
    }
    #expect(try await fixture.sent() == Array(repeating: "5 requests, 500 bytes", count: 3))
    #expect(try await fixture.entries(.listen).count == 1)
  }

  @Test func `fifty concurrent first ranges create one entry, and all wait for it`() async throws {
    let fixture = try await AccessFixture()
    let gate = Gate()
    fixture.database.hold(by: gate)
    try await withThrowingTaskGroup(of: Void.self) { group in
      for _ in 0..<50 {
        group.addTask {
          try await serve(fixture)
          let isLogged = try await fixture.entries(.listen).count == 1
          #expect(isLogged)
        }
      }
      gate.open()
      try await group.waitForAll()
    }
    try await fixture.listening.flush(isFinal: true)
    #expect(try await fixture.entries(.listen).count == 1)
    #expect(try await fixture.sent() == ["50 requests, 5000 bytes"])
  }

  @Test func `each identity and each recording has its own session`() async throws {
    let fixture = try await AccessFixture()
    for _ in 0..<2 {
      try await serve(fixture)
      try await serve(fixture, Self.second)
      try await serve(fixture, to: Self.berta)
    }
    #expect(try await fixture.entries(.listen).count == 3)
    try await fixture.listening.flush(isFinal: true)
    #expect(try await fixture.sent() == Array(repeating: "2 requests, 200 bytes", count: 3))
  }

  @Test func `a new session begins after 15 minutes without a request or a byte`() async throws {
    let fixture = try await AccessFixture()
    try await serve(fixture)
    fixture.clock.advance(by: .milliseconds(899_999))
    try await serve(fixture)
    #expect(try await fixture.entries(.listen).count == 1)
    fixture.clock.advance(by: .seconds(900))
    try await serve(fixture, bytes: 7)
    #expect(try await fixture.entries(.listen).count == 2)
    try await fixture.listening.flush(isFinal: true)
    #expect(try await fixture.sent() == ["2 requests, 200 bytes", "1 requests, 7 bytes"])
  }

  @Test func `a response that is still being sent keeps its session open`() async throws {
    let fixture = try await AccessFixture()
    let session = try await fixture.listening.begin(Self.first, by: Self.anna, from: nil)
    for _ in 0..<4 {
      fixture.clock.advance(by: .seconds(600))
      fixture.listening.sent(10, in: session)
      try await fixture.listening.flush()
    }
    try await serve(fixture)
    #expect(try await fixture.entries(.listen).count == 1)
  }

  @Test func `bytes that are sent after the end of their session are logged`() async throws {
    let fixture = try await AccessFixture()
    let session = try await fixture.listening.begin(Self.first, by: Self.anna, from: nil)
    fixture.clock.advance(by: .seconds(900))
    try await fixture.listening.flush()
    fixture.listening.sent(10, in: session)
    fixture.clock.advance(by: .seconds(900))
    try await fixture.listening.flush()
    #expect(try await fixture.sent() == ["1 requests, 0 bytes", "0 requests, 10 bytes"])
  }

  @Test(arguments: [-1, -60, -899])
  func `setting the clock back a little neither ends a session nor loses its counts`(seconds: Int) async throws {
    let fixture = try await AccessFixture()
    try await serve(fixture)
    fixture.clock.jump(by: .seconds(seconds))
    try await serve(fixture)
    fixture.clock.advance(by: .seconds(60))
    try await serve(fixture)
    try await fixture.listening.flush(isFinal: true)
    #expect(try await fixture.entries(.listen).count == 1)
    #expect(try await fixture.sent() == ["3 requests, 300 bytes"])
    fixture.clock.advance(by: .seconds(900))
    try await serve(fixture)
    #expect(try await fixture.entries(.listen).count == 2, "The session ends by the new time.")
  }

  @Test(arguments: [-900, -3600, -86_400, -31_536_000])
  func `listening after the clock was set far back is logged as a new session`(seconds: Int) async throws {
    let fixture = try await AccessFixture()
    try await serve(fixture)
    fixture.clock.jump(by: .seconds(seconds))
    try await serve(fixture, bytes: 7)
    #expect(try await fixture.entries(.listen).count == 2)
    try await fixture.listening.flush()
    #expect(try await fixture.sent() == ["1 requests, 100 bytes"])
    fixture.clock.advance(by: .seconds(300))
    try await fixture.listening.flush()
    #expect(try await fixture.sent() == ["1 requests, 100 bytes", "1 requests, 7 bytes"])
  }

  @Test func `the bytes of a long session are logged although the clock was set back`() async throws {
    let fixture = try await AccessFixture()
    try await serve(fixture)
    fixture.clock.jump(by: .seconds(-600))
    try await serve(fixture)
    try await fixture.listening.flush()
    #expect(try await fixture.sent() == ["2 requests, 200 bytes"])
  }

  @Test func `setting the clock forward begins a new session with its own entry`() async throws {
    let fixture = try await AccessFixture()
    try await serve(fixture)
    fixture.clock.jump(by: .seconds(3600))
    try await serve(fixture)
    #expect(try await fixture.entries(.listen).count == 2)
  }

  @Test func `no range is sent while the log cannot be written`() async throws {
    let fixture = try await AccessFixture()
    fixture.database.setBroken(true)
    let codes = await withTaskGroup(of: TapedeckError.Code?.self) { group in
      for _ in 0..<50 { group.addTask { await failure { try await serve(fixture) } } }
      return await group.reduce(into: Set()) { $0.insert($1) }
    }
    #expect(codes == [.accessLogUnavailable])
    fixture.database.setBroken(false)
    try await serve(fixture)
    #expect(try await fixture.entries(.listen).count == 1)
    try await fixture.listening.flush(isFinal: true)
    #expect(try await fixture.sent() == ["1 requests, 100 bytes"])
  }

  @Test func `counts that cannot be logged are kept for the next flush`() async throws {
    let fixture = try await AccessFixture()
    try await serve(fixture)
    fixture.clock.advance(by: .seconds(300))
    fixture.database.setBroken(true)
    #expect(await failure { try await fixture.listening.flush() } != nil)
    try await serve(fixture)
    fixture.clock.advance(by: .seconds(3600))
    #expect(await failure { try await fixture.listening.flush() } != nil)
    fixture.database.setBroken(false)
    try await fixture.listening.flush()
    try await fixture.listening.flush()
    #expect(try await fixture.sent() == ["2 requests, 200 bytes"])
  }

  @Test func `a flush without new counts runs no transaction`() async throws {
    let fixture = try await AccessFixture()
    try await serve(fixture)
    try await fixture.listening.flush(isFinal: true)
    let before = fixture.database.commits
    try await fixture.listening.flush()
    fixture.clock.advance(by: .seconds(3600))
    try await fixture.listening.flush(isFinal: true)
    #expect(fixture.database.commits == before)
  }
}
