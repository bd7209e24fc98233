import CXone
import Model
import TestKit
import Testing

@Suite(.timeLimit(.minutes(1))) struct TokenTests {
  static let description = #"{"id":"rec-1","status":"available","privacy":"standard"}"#

  @Test func `fifty callers at once fetch one token`() async throws {
    try await Tenant.run { _, _ in
      .json(Self.description)
    } _: { tenant in
      try await withThrowingTaskGroup(of: Void.self) { group in
        for _ in 0..<50 { group.addTask { _ = try await tenant.source.recording(recordingID) } }
        try await group.waitForAll()
      }
      #expect(tenant.tokenRequests == 1)
      #expect(tenant.calls.count == 50)
    }
  }

  @Test func `the token call has the credentials as RFC 6749 requires`() async throws {
    try await Tenant.run { _, _ in
      .json(Self.description)
    } _: { tenant in
      _ = try await tenant.source.recording(recordingID)
      let request = try #require(tenant.server.requests.first)
      #expect(request.method == "POST")
      #expect(request.target == "/oauth2/token")
      #expect(request.header("Authorization") == "Basic Y2xpZW50OnNlY3JldA==")
      #expect(request.header("Content-Type") == "application/x-www-form-urlencoded")
      #expect(request.text == "grant_type=client_credentials")
    }
  }

  @Test func `a cancelled caller does not affect the others`() async throws {
    let go = Gate()
    var options = Tenant.Options()
    options.token = { number in Tenant.token("token-\(number)").waiting(for: go) }
    try await Tenant.run(options) { _, _ in
      .json(Self.description)
    } _: { tenant in
      let first = Task { await failure { _ = try await tenant.source.recording(recordingID) } }
      try await until { tenant.tokenRequests == 1 }
      let second = Task { await failure { _ = try await tenant.source.recording(recordingID) } }
      await settle()
      first.cancel()
      #expect(await first.value?.code == .interrupted)
      go.open()
      #expect(await second.value == nil)
    }
  }

  @Test func `a token is used until its renewal time, then renewed`() async throws {
    let clock = TestClock()
    var options = Tenant.Options()
    options.system = clock.system()
    try await Tenant.run(options) { _, _ in
      .json(Self.description)
    } _: { tenant in
      _ = try await tenant.source.recording(recordingID)
      clock.advance(by: .seconds(3539))
      _ = try await tenant.source.recording(recordingID)
      #expect(tenant.tokenRequests == 1)
      clock.advance(by: .seconds(1))
      _ = try await tenant.source.recording(recordingID)
      #expect(tenant.tokenRequests == 2)
    }
  }

  @Test func `a 401 renews the token once and repeats the call once`() async throws {
    try await Tenant.run { request, _ in
      request.header("Authorization") == "Bearer token-0" ? .response(401) : .json(Self.description)
    } _: { tenant in
      _ = try await tenant.source.recording(recordingID)
      #expect(tenant.tokenRequests == 2)
      #expect(tenant.calls.count == 2)
    }
  }

  @Test func `many callers with an expired token renew it once`() async throws {
    try await Tenant.run { request, _ in
      request.header("Authorization") == "Bearer token-0" ? .response(401) : .json(Self.description)
    } _: { tenant in
      try await withThrowingTaskGroup(of: Void.self) { group in
        for _ in 0..<50 { group.addTask { _ = try await tenant.source.recording(recordingID) } }
        try await group.waitForAll()
      }
      #expect(tenant.tokenRequests == 2)
    }
  }

  @Test func `a second 401 says what to check`() async throws {
    try await Tenant.run { _, _ in
      .response(401)
    } _: { tenant in
      let error = await failure { _ = try await tenant.source.recording(recordingID) }
      #expect(error?.code == .platformCredentialsRefused && error?.isTokenRefusal == true)
      #expect(error?.message.contains("base URL") == true)
      #expect(error?.message.contains("recording:read") == true)
      #expect(tenant.tokenRequests == 2)
      #expect(tenant.calls.count == 2)
    }
  }

  @Test func `a 401 on a download renews the token and continues`() async throws {
    try await Tenant.run { request, _ in
      request.header("Authorization") == "Bearer token-0" ? .response(401) : .response(200, body: file(10))
    } _: { tenant in
      let sink = MemorySink()
      _ = try await tenant.download(into: sink)
      #expect(sink.bytes == file(10))
    }
  }

  @Test(arguments: [
    (400, TapedeckError.Code.platformCredentialsRefused), (401, .platformCredentialsRefused),
    (403, .platformCredentialsRefused), (404, .platformCredentialsRefused), (429, .platformRateLimited),
    (500, .platformUnavailable), (302, .platformProtocol),
  ])
  func `a refused token call is not repeated`(status: Int, code: TapedeckError.Code) async throws {
    var options = Tenant.Options()
    options.token = { _ in .json(#"{"error":"invalid_client"}"#, status: status, ["Location": "/elsewhere"]) }
    try await Tenant.run(options) { _, _ in
      .response(500)
    } _: { tenant in
      let error = await failure { _ = try await tenant.source.recording(recordingID) }
      #expect(error?.code == code)
      #expect(tenant.server.requests.count == 1)
    }
  }

  @Test(arguments: [
    "", "<html>sign in</html>", "[]", "{}", #"{"access_token":""}"#, #"{"access_token":7}"#,
    #"{"access_token":"a\r\nX-Injected: yes"}"#,
  ])
  func `a token response without a usable token is rejected`(body: String) async throws {
    var options = Tenant.Options()
    options.token = { _ in .json(body) }
    try await Tenant.run(options) { _, _ in
      .response(500)
    } _: { tenant in
      #expect(await failure { _ = try await tenant.source.recording(recordingID) }?.code == .platformProtocol)
    }
  }

  @Test func `a lifetime given as text is read`() async throws {
    let clock = TestClock()
    var options = Tenant.Options()
    options.system = clock.system()
    options.token = { _ in .json(#"{"access_token":"t","expires_in":"600"}"#) }
    try await Tenant.run(options) { _, _ in
      .json(Self.description)
    } _: { tenant in
      _ = try await tenant.source.recording(recordingID)
      clock.advance(by: .seconds(539))
      _ = try await tenant.source.recording(recordingID)
      #expect(tenant.tokenRequests == 1)
      clock.advance(by: .seconds(1))
      _ = try await tenant.source.recording(recordingID)
      #expect(tenant.tokenRequests == 2)
    }
  }
}

extension ScriptedServer.Reply {
  /// The same, once the latch is open.
  func waiting(for gate: Gate) -> ScriptedServer.Reply { ScriptedServer.Reply([.wait(gate)] + steps) }
}
