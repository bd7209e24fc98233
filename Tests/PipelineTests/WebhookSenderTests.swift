import AsyncHTTPClient
import CXone
import Catalog
import Foundation
import Model
import Pipeline
import Sandbox
import SystemPackage
import TestKit
import Testing
import Webhooks

/// Which messages the webhook receiver gets, and when.
@Suite(.timeLimit(.minutes(5)))
struct WebhookSenderTests {
  private func sender(
    to server: ScriptedServer, _ fixture: PipelineFixture, _ client: HTTPClient, on database: any Database
  ) throws -> WebhookSender {
    let endpoint = try WebhookEndpoint(url: server.address + "/hook", signer: WebhookSigner(WebhookSecret.make()))
    // The timeout of one attempt uses the system's clock; the schedule uses the fixture's.
    let delivery = WebhookDelivery(client: client, system: .system)
    return WebhookSender(
      catalog: Catalog(database: database), delivery: delivery, endpoint: endpoint, system: fixture.system,
      logger: .silent)
  }

  /// Runs a sender against a receiver that answers with `answer(number of the request)`.
  private func withSender(
    _ options: PipelineFixture.Options = .init(), answer: @escaping @Sendable (Int) -> ScriptedServer.Reply,
    interpose: @escaping @Sendable (PipelineFixture) -> any Database = { $0.database },
    _ body: @Sendable (PipelineFixture, WebhookSender, ScriptedServer) async throws -> Void
  ) async throws {
    let number = Counter()
    let client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: .platform)
    do {
      let script: @Sendable (ScriptedServer.Request) async -> ScriptedServer.Reply = { _ in answer(number.count()) }
      try await ScriptedServer.run(script) { server in
        try await PipelineFixture.run(options) { fixture in
          let database = interpose(fixture)
          try await body(fixture, try sender(to: server, fixture, client, on: database), server)
        }
      }
    } catch {
      try await client.shutdown()
      throw error
    }
    try await client.shutdown()
  }

  private func insert(_ id: String, _ fixture: PipelineFixture) async throws {
    try await fixture.database.write { db in
      try db.execute(
        """
        INSERT INTO webhook_message (id, body, created_at, state, due_at)
        VALUES (\(id), '{}', tapedeck_now_ms(), 'pending', tapedeck_now_ms())
        """)
      db.notify(.webhookDue)
    }
  }

  private struct Message: Equatable, Sendable {
    var state: String
    var attempts: Int64
    var error: String?
  }

  private func message(_ id: String, _ fixture: PipelineFixture) async throws -> Message {
    try await fixture.database.read { db in
      guard let row = try db.row("SELECT * FROM webhook_message WHERE id = \(id)") else {
        throw TapedeckError(.notFound)
      }
      return Message(
        state: try row.text("state"), attempts: try row.int("attempts"), error: row.optionalText("last_error"))
    }
  }

  /// Waits until the sender has sent everything due and sleeps until the next due time.
  private func untilQuiet(_ clock: TestClock) async throws { try await clock.untilSleeping(1) }

  @Test func `an archived recording is announced once, with the documented content`() async throws {
    var options = PipelineFixture.Options()
    options.settings.announces = true
    try await withSender(options, answer: always(204)) { fixture, sender, server in
      let id = FixedRecordings.oddID
      try await fixture.with(sender) {
        try await fixture.withWorker {
          try await fixture.request(id)
          _ = try await fixture.ended(id)
          try await until { try await fixture.catalog.messageCounts()["delivered"] == 1 }
        }
      }
      #expect(server.requests.count == 1)
      let request = try #require(server.requests.first)
      let body = try #require(try JSONSerialization.jsonObject(with: Data(request.body)) as? [String: Any])
      let part = try #require(try await fixture.catalog.archived(try fixture.key(id))?.parts.first)
      #expect(body["recordingId"] as? String == id)
      #expect(body["durationSeconds"] as? Int == 27)
      let path = try #require(body["filePath"] as? String)
      #expect(path == fixture.folder.appending("objects").string + "/" + part.mp3.name.rawValue)
      #expect(FileManager.default.fileExists(atPath: path))
      let syncedAt = try #require(body["syncedAt"] as? String)
      #expect(syncedAt.wholeMatch(of: /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ/) != nil)
      #expect(body["type"] as? String == "recording.archived")
      #expect(body["timestamp"] as? String == syncedAt)
      let data = try #require(body["data"] as? [String: Any])
      #expect(data["originalSha256"] as? String == part.sourceHash.rawValue)
      #expect(data["privacy"] as? String == "standard")
      let segment = try fixture.key(id).pathSegment
      #expect(data["playerPath"] as? String == "/play/\(segment)")
      #expect(request.header("webhook-id") != nil)
    }
  }

  @Test func `a receiver that is down gets retries on the published schedule, always with the same id`() async throws {
    let clock = TestClock()
    let answer: @Sendable (Int) -> ScriptedServer.Reply = { $0 < 4 ? .response(503) : .response(200) }
    try await withSender(.init(clock: clock), answer: answer) { fixture, sender, server in
      try await insert("msg_1", fixture)
      try await fixture.with(sender) {
        // The middle of the jitter: the schedule itself.
        for (attempt, delay) in [Duration.seconds(5), .seconds(300), .seconds(1800)].enumerated() {
          try await untilQuiet(clock)
          #expect(server.requests.count == attempt + 1)
          #expect(try await message("msg_1", fixture).attempts == Int64(attempt + 1))
          #expect(try await fixture.catalog.nextMessageDue() == clock.now + delay)
          clock.advance(by: delay)
        }
        try await until { try await message("msg_1", fixture).state != "pending" }
      }
      #expect(server.requests.count == 4)
      #expect(Set(server.requests.map { $0.header("webhook-id") }) == ["msg_1"])
      #expect(try await message("msg_1", fixture) == Message(state: "delivered", attempts: 4, error: nil))
    }
  }

  @Test func `a retry never comes before the time the receiver asked for`() async throws {
    let clock = TestClock()
    let answer: @Sendable (Int) -> ScriptedServer.Reply = { _ in .response(429, ["Retry-After": "77"]) }
    try await withSender(.init(clock: clock), answer: answer) { fixture, sender, _ in
      try await insert("msg_1", fixture)
      try await fixture.with(sender) {
        try await untilQuiet(clock)
        #expect(try await fixture.catalog.nextMessageDue() == clock.now + .seconds(77))
      }
    }
  }

  @Test func `after the last attempt a message is dead and stays, and others are still sent`() async throws {
    let clock = TestClock()
    let answer: @Sendable (Int) -> ScriptedServer.Reply = { $0 <= 10 ? .response(500) : .response(200) }
    try await withSender(.init(clock: clock), answer: answer) { fixture, sender, server in
      try await insert("msg_1", fixture)
      try await fixture.with(sender) {
        for _ in 1..<WebhookSchedule.delays.count {
          try await untilQuiet(clock)
          let due = try #require(try await fixture.catalog.nextMessageDue())
          clock.advance(by: due - clock.now)
        }
        try await untilQuiet(clock)
        let dead = try await message("msg_1", fixture)
        #expect(dead.state == "dead")
        #expect(dead.attempts == 10)
        #expect(dead.error?.contains("500") == true)
        try await insert("msg_2", fixture)
        try await until { try await message("msg_2", fixture).state != "pending" }
      }
      #expect(server.requests.count == 11)
    }
  }

  @Test func `a receiver that is gone gets no retries, no message is lost, and the server continues`() async throws {
    let clock = TestClock()
    try await withSender(.init(clock: clock), answer: always(410)) { fixture, sender, server in
      try await insert("msg_1", fixture)
      // A service that ends before its shutdown would end its group, and with it the whole program.
      try await fixture.with(sender) {
        try await until { try await message("msg_1", fixture).attempts != 0 }
        try await insert("msg_2", fixture)
        clock.advance(by: .seconds(86_400))
        try await fixture.withWorker {
          try await fixture.request("unknown-recording")
          _ = try await fixture.ended("unknown-recording")
        }
      }
      #expect(server.requests.count == 1)
      #expect(try await message("msg_1", fixture).state == "pending")
      #expect(try await message("msg_2", fixture) == Message(state: "pending", attempts: 0, error: nil))
    }
  }

  @Test func `a message whose delivery was interrupted by a shutdown is sent again`() async throws {
    let clock = TestClock()
    let arrived = Gate()
    let never = Gate()
    let answer: @Sendable (Int) -> ScriptedServer.Reply = { number in
      guard number == 1 else { return .response(200) }
      arrived.open()
      return .init([.wait(never)])
    }
    try await withSender(.init(clock: clock), answer: answer) { fixture, sender, server in
      try await insert("msg_1", fixture)
      try await fixture.with(sender) { try await arrived.wait() }
      #expect(try await message("msg_1", fixture) == Message(state: "pending", attempts: 0, error: nil))
      try await fixture.with(sender) {
        try await until { try await message("msg_1", fixture).state != "pending" }
      }
      #expect(server.requests.map { $0.header("webhook-id") } == ["msg_1", "msg_1"])
    }
  }

  @Test func `a message that is added during the sender's first query is sent`() async throws {
    try await withSender(.init(clock: TestClock())) { _ in
      .response(200)
    } interpose: { fixture in
      InterposedDatabase(fixture.database) { try? await insert("msg_1", fixture) }
    } _: { fixture, sender, server in
      try await fixture.with(sender) {
        try await until { try await fixture.catalog.messageCounts()["delivered"] == 1 }
      }
      #expect(server.requests.count == 1)
    }
  }
}

/// A receiver that always gives the same response.
private func always(_ status: Int) -> @Sendable (Int) -> ScriptedServer.Reply { { _ in .response(status) } }
