import Access
import Catalog
import Model
import TestKit
import Testing

@Suite struct ListeningSessionsTests {
  static let anna = Identity(kind: .account, id: "acc_1", name: "anna", role: .agent)
  static let berta = Identity(kind: .account, id: "acc_2", name: "berta", role: .agent)

  private func serve(
    _ fixture: AccessFixture, _ recording: RecordingRow, to actor: Identity = anna, bytes: Int64 = 100
  ) async throws {
    try await fixture.listening.serve(bytes: bytes, of: recording, to: actor, from: AccessFixture.origin)
  }

  @Test func `listening is logged before the first byte is sent`() async throws {
    let fixture = try await AccessFixture()
    let recording = try await fixture.recording("call-1")
    try await serve(fixture, recording)
    let entries = try await fixture.entries(.listen)
    #expect(entries.map(\.actor?.id) == ["acc_1"])
    #expect(entries.first?.recording == recording.key)
    #expect(entries.first?.origin == AccessFixture.origin)
    #expect(entries.first?.outcome == .allowed)
  }

  @Test func `all ranges of a session share one entry`() async throws {
    let fixture = try await AccessFixture()
    let recording = try await fixture.recording("call-1")
    for _ in 0..<20 {
      try await serve(fixture, recording)
      fixture.clock.advance(by: .seconds(899))
      try await fixture.listening.flush()
    }
    #expect(try await fixture.entries(.listen).count == 1)
    #expect(try await fixture.listeningRows() == ["20 requests, 2000 bytes"])
  }

  @Test func `fifty concurrent first ranges create one entry, and all wait for it`() async throws {
    let fixture = try await AccessFixture()
    let recording = try await fixture.recording("call-1")
    let gate = Gate()
    fixture.database.hold(by: gate)
    try await withThrowingTaskGroup(of: Void.self) { group in
      for _ in 0..<50 {
        group.addTask {
          try await serve(fixture, recording)
          let isLogged = try await fixture.entries(.listen).count == 1
          #expect(isLogged)
        }
      }
      gate.open()
      try await group.waitForAll()
    }
    try await fixture.listening.flush()
    #expect(try await fixture.entries(.listen).count == 1)
    #expect(try await fixture.listeningRows() == ["50 requests, 5000 bytes"])
  }

  @Test func `each identity and each recording has its own session`() async throws {
    let fixture = try await AccessFixture()
    let first = try await fixture.recording("call-1")
    let second = try await fixture.recording("call-2")
    for _ in 0..<2 {
      try await serve(fixture, first)
      try await serve(fixture, second)
      try await serve(fixture, first, to: Self.berta)
    }
    #expect(try await fixture.entries(.listen).count == 3)
  }

  @Test func `a new session begins after 15 minutes without a request`() async throws {
    let fixture = try await AccessFixture()
    let recording = try await fixture.recording("call-1")
    try await serve(fixture, recording)
    fixture.clock.advance(by: .milliseconds(899_999))
    try await serve(fixture, recording)
    #expect(try await fixture.entries(.listen).count == 1)
    fixture.clock.advance(by: .seconds(900))
    try await serve(fixture, recording, bytes: 7)
    #expect(try await fixture.entries(.listen).count == 2)
    try await fixture.listening.flush()
    #expect(try await fixture.listeningRows() == ["2 requests, 200 bytes", "1 requests, 7 bytes"])
  }

  @Test func `setting the clock back neither ends a session nor loses its counts`() async throws {
    let fixture = try await AccessFixture()
    let recording = try await fixture.recording("call-1")
    try await serve(fixture, recording)
    fixture.clock.jump(by: .seconds(-3600))
    try await serve(fixture, recording)
    try await fixture.listening.flush()
    fixture.clock.advance(by: .seconds(60))
    try await serve(fixture, recording)
    try await fixture.listening.flush()
    #expect(try await fixture.entries(.listen).count == 1)
    #expect(try await fixture.listeningRows() == ["3 requests, 300 bytes"])
  }

  @Test func `setting the clock forward begins a new session with its own entry`() async throws {
    let fixture = try await AccessFixture()
    let recording = try await fixture.recording("call-1")
    try await serve(fixture, recording)
    fixture.clock.jump(by: .seconds(3600))
    try await serve(fixture, recording)
    #expect(try await fixture.entries(.listen).count == 2)
  }

  @Test func `no range is sent while the log cannot be written`() async throws {
    let fixture = try await AccessFixture()
    let recording = try await fixture.recording("call-1")
    fixture.database.setBroken(true)
    let codes = await withTaskGroup(of: TapedeckError.Code?.self) { group in
      for _ in 0..<50 { group.addTask { await failure { try await serve(fixture, recording) } } }
      return await group.reduce(into: Set()) { $0.insert($1) }
    }
    #expect(codes == [.accessLogUnavailable])
    fixture.database.setBroken(false)
    try await serve(fixture, recording)
    #expect(try await fixture.entries(.listen).count == 1)
    try await fixture.listening.flush()
    #expect(try await fixture.listeningRows() == ["1 requests, 100 bytes"])
  }

  @Test func `counts that cannot be saved are kept for the next flush`() async throws {
    let fixture = try await AccessFixture()
    let recording = try await fixture.recording("call-1")
    try await serve(fixture, recording)
    fixture.database.setBroken(true)
    #expect(await failure { try await fixture.listening.flush() } != nil)
    try await serve(fixture, recording)
    fixture.clock.advance(by: .seconds(3600))
    #expect(await failure { try await fixture.listening.flush() } != nil)
    fixture.database.setBroken(false)
    try await fixture.listening.flush()
    try await fixture.listening.flush()
    #expect(try await fixture.listeningRows() == ["2 requests, 200 bytes"])
  }

  @Test func `a flush without new counts runs no transaction`() async throws {
    let fixture = try await AccessFixture()
    try await serve(fixture, try await fixture.recording("call-1"))
    try await fixture.listening.flush()
    let before = fixture.database.commits
    try await fixture.listening.flush()
    #expect(fixture.database.commits == before)
  }
}
