import Access
import Catalog
import Model
import TestKit
import Testing

@Suite struct ListeningSessionsTests {
  static let anna = Identity(kind: .account, id: "acc_1", name: "anna", role: .agent)
  static let berta = Identity(kind: .account, id: "acc_2", name: "berta", role: .agent)

  private func serve(
    _ desk: Desk, _ recording: RecordingRow, to actor: Identity = anna, bytes: Int64 = 100
  ) async throws {
    try await desk.listening.serve(bytes: bytes, of: recording, to: actor, from: Desk.origin)
  }

  @Test func `the first byte is in the log before it leaves`() async throws {
    let desk = try await Desk()
    let recording = try await desk.recording("call-1")
    try await serve(desk, recording)
    let entries = try await desk.entries(.listen)
    #expect(entries.map(\.actor?.id) == ["acc_1"])
    #expect(entries.first?.recording == recording.key)
    #expect(entries.first?.origin == Desk.origin)
    #expect(entries.first?.outcome == .allowed)
  }

  @Test func `the ranges of one session are one entry, however many`() async throws {
    let desk = try await Desk()
    let recording = try await desk.recording("call-1")
    for _ in 0..<20 {
      try await serve(desk, recording)
      desk.clock.advance(by: .seconds(899))
      try await desk.listening.flush()
    }
    #expect(try await desk.entries(.listen).count == 1)
    #expect(try await desk.listeningRows() == ["20 requests, 2000 bytes"])
  }

  @Test func `fifty first ranges at the same moment make one entry, and none goes before it`() async throws {
    let desk = try await Desk()
    let recording = try await desk.recording("call-1")
    let gate = Gate()
    desk.database.hold(by: gate)
    try await withThrowingTaskGroup(of: Void.self) { group in
      for _ in 0..<50 {
        group.addTask {
          try await serve(desk, recording)
          let isLogged = try await desk.entries(.listen).count == 1
          #expect(isLogged)
        }
      }
      gate.open()
      try await group.waitForAll()
    }
    try await desk.listening.flush()
    #expect(try await desk.entries(.listen).count == 1)
    #expect(try await desk.listeningRows() == ["50 requests, 5000 bytes"])
  }

  @Test func `every person and every recording is a session of its own`() async throws {
    let desk = try await Desk()
    let first = try await desk.recording("call-1")
    let second = try await desk.recording("call-2")
    for _ in 0..<2 {
      try await serve(desk, first)
      try await serve(desk, second)
      try await serve(desk, first, to: Self.berta)
    }
    #expect(try await desk.entries(.listen).count == 3)
  }

  @Test func `after a quarter of an hour without a byte a new session begins`() async throws {
    let desk = try await Desk()
    let recording = try await desk.recording("call-1")
    try await serve(desk, recording)
    desk.clock.advance(by: .milliseconds(899_999))
    try await serve(desk, recording)
    #expect(try await desk.entries(.listen).count == 1)
    desk.clock.advance(by: .seconds(900))
    try await serve(desk, recording, bytes: 7)
    #expect(try await desk.entries(.listen).count == 2)
    try await desk.listening.flush()
    #expect(try await desk.listeningRows() == ["2 requests, 200 bytes", "1 requests, 7 bytes"])
  }

  @Test func `a clock that is set back neither ends a session nor loses what was served in it`() async throws {
    let desk = try await Desk()
    let recording = try await desk.recording("call-1")
    try await serve(desk, recording)
    desk.clock.jump(by: .seconds(-3600))
    try await serve(desk, recording)
    try await desk.listening.flush()
    desk.clock.advance(by: .seconds(60))
    try await serve(desk, recording)
    try await desk.listening.flush()
    #expect(try await desk.entries(.listen).count == 1)
    #expect(try await desk.listeningRows() == ["3 requests, 300 bytes"])
  }

  @Test func `a clock that is set forward begins a new session, and its entry comes first`() async throws {
    let desk = try await Desk()
    let recording = try await desk.recording("call-1")
    try await serve(desk, recording)
    desk.clock.jump(by: .seconds(3600))
    try await serve(desk, recording)
    #expect(try await desk.entries(.listen).count == 2)
  }

  @Test func `without an entry in the log nothing is served, to nobody who waits for it`() async throws {
    let desk = try await Desk()
    let recording = try await desk.recording("call-1")
    desk.database.setBroken(true)
    let codes = await withTaskGroup(of: TapedeckError.Code?.self) { group in
      for _ in 0..<50 { group.addTask { await failure { try await serve(desk, recording) } } }
      return await group.reduce(into: Set()) { $0.insert($1) }
    }
    #expect(codes == [.accessLogUnavailable])
    desk.database.setBroken(false)
    try await serve(desk, recording)
    #expect(try await desk.entries(.listen).count == 1)
    try await desk.listening.flush()
    #expect(try await desk.listeningRows() == ["1 requests, 100 bytes"])
  }

  @Test func `sums that cannot be written are kept for the next time`() async throws {
    let desk = try await Desk()
    let recording = try await desk.recording("call-1")
    try await serve(desk, recording)
    desk.database.setBroken(true)
    #expect(await failure { try await desk.listening.flush() } != nil)
    try await serve(desk, recording)
    desk.clock.advance(by: .seconds(3600))
    #expect(await failure { try await desk.listening.flush() } != nil)
    desk.database.setBroken(false)
    try await desk.listening.flush()
    try await desk.listening.flush()
    #expect(try await desk.listeningRows() == ["2 requests, 200 bytes"])
  }

  @Test func `writing nothing costs no transaction`() async throws {
    let desk = try await Desk()
    try await serve(desk, try await desk.recording("call-1"))
    try await desk.listening.flush()
    let before = desk.database.commits
    try await desk.listening.flush()
    #expect(desk.database.commits == before)
  }
}
