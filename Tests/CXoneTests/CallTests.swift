import CXone
import Model
import TestKit
import Testing

@Suite(.timeLimit(.minutes(1))) struct CallTests {
  let query = RecordingQuery(
    start: Instant(iso8601: "2026-01-15T00:00:00Z")!, end: Instant(iso8601: "2026-01-16T00:00:00Z")!)

  // MARK: Metadata

  @Test func `a recording is requested by its encoded id and read completely`() async throws {
    let id = try #require(RecordingID("a/b?c %~"))
    try await Tenant.run { _, _ in
      .json(
        #"""
        {"id":"a/b?c %~","status":"available","startTime":"2026-01-15T10:00:00Z","duration":180,"privacy":"restricted",
         "links":{"download":"https://elsewhere.example/x"},"direction":"outbound","agentId":"7","agentName":"Ada",
         "teamId":3,"skillId":"s","skillName":"S","campaignId":"c","campaignName":"C","fromAddress":"+1","toAddress":"+2",
         "contactId":99,"disposition":"sold","endTime":"2026-01-15T10:03:00.5Z","mediaType":"voice","extra":[1,true,null]}
        """#)
    } _: { tenant in
      let recording = try await tenant.source.recording(id)
      #expect(tenant.calls.first?.target == "/api/v2/recording/a%2Fb%3Fc%20%25%7E")
      var expected = PlatformRecording(id: id, status: .available, privacy: .restricted, json: recording.json)
      expected.startTime = Instant(iso8601: "2026-01-15T10:00:00Z")
      expected.endTime = Instant(iso8601: "2026-01-15T10:03:00.5Z")
      expected.durationSeconds = 180
      expected.direction = .outbound
      expected.agentID = "7"
      expected.agentName = "Ada"
      expected.teamID = "3"
      expected.skillID = "s"
      expected.skillName = "S"
      expected.campaignID = "c"
      expected.campaignName = "C"
      expected.fromAddress = "+1"
      expected.toAddress = "+2"
      expected.contactID = "99"
      expected.disposition = "sold"
      expected.mediaType = "voice"
      #expect(recording == expected)
      #expect(recording.json.contains(#""extra":[1,true,null]"#))
      #expect(recording.json.contains(#""download":"https://elsewhere.example/x""#))
    }
  }

  @Test(arguments: [
    (#"{"id":"rec-1"}"#, PlatformStatus.processing, Privacy.standard),
    (#"{"status":"available","privacy":null}"#, .available, .standard),
    (#"{"id":"rec-1","status":"archived","privacy":"secret"}"#, .processing, .restricted),
    (#"{"id":"rec-1","status":7,"privacy":false}"#, .processing, .restricted),
    (#"{"id":"rec-1","status":"failed","privacy":"","duration":"soon","startTime":5}"#, .failed, .restricted),
    (#"{"id":"rec-1","status":"available","duration":1e300}"#, .available, .standard),
  ])
  func `missing and unknown values have safe defaults`(
    body: String, status: PlatformStatus, privacy: Privacy
  ) async throws {
    try await Tenant.run { _, _ in
      .json(body)
    } _: { tenant in
      let recording = try await tenant.source.recording(recordingID)
      #expect(recording.id == recordingID)
      #expect(recording.status == status)
      #expect(recording.privacy == privacy)
      #expect(recording.durationSeconds == nil)
      #expect(recording.startTime == nil)
    }
  }

  @Test(arguments: [
    (#"180"#, 180), (#""180""#, 180), ("180.9", 180), (#""180.9""#, 180), (#"" 180 ""#, 180), (#""00:03:00""#, 180),
    (#""1:00:01.5""#, 3601), (#""PT180S""#, 180), (#""PT3M""#, 180), (#""P1DT1H1M1.5S""#, 90_061), (#""PT0S""#, 0),
  ])
  func `a duration is read as a number or as text`(text: String, seconds: Int) async throws {
    try await Tenant.run { _, _ in
      .json(#"{"id":"rec-1","duration":\#(text)}"#)
    } _: { tenant in
      let recording = try await tenant.source.recording(recordingID)
      #expect(recording.durationSeconds == seconds)
    }
  }

  @Test(arguments: [
    #""60 s""#, #""60,5""#, "-60", #"{"seconds":60}"#, "[60]", "true", "99999999999", #""03:00""#, #""00:60:00""#,
    #""PT""#, #""P""#, #""P1Y""#, #""soon""#,
  ])
  func `a duration of unknown form is noted`(text: String) async throws {
    let (recording, fields) = try await described(#"{"id":"rec-1","duration":\#(text)}"#)
    #expect(recording.durationSeconds == nil && fields == ["duration"])
  }

  @Test(arguments: ["null", #""""#]) func `an absent duration is not noted`(text: String) async throws {
    let (recording, fields) = try await described(#"{"id":"rec-1","duration":\#(text)}"#)
    #expect(recording.durationSeconds == nil && fields.isEmpty)
  }

  @Test(
    arguments: [
      (#"["available"]"#, #"["available"]"#), (#"{"code":"a\nb"}"#, #"{"code":"a\nb"}"#), ("true", "true"),
      (#""archived\u2028""#, "archived "), (#"" available ""#, nil), ("null", nil),
    ] as [(String, String?)])
  func `a status of unknown meaning is shown as it was sent`(text: String, shown: String?) async throws {
    #expect(try await described(#"{"id":"rec-1","status":\#(text)}"#).recording.unknownStatus == shown)
  }

  /// A recording as the platform describes it, and the fields that the log names as unreadable.
  private func described(_ body: String) async throws -> (recording: PlatformRecording, fields: [String]) {
    let log = RecordedLog()
    var options = Tenant.Options()
    options.logger = log.logger()
    let recording = try await Tenant.run(options) { _, _ in
      .json(body)
    } _: { tenant in
      try await tenant.source.recording(recordingID)
    }
    return (recording, log.values(of: "fields"))
  }

  @Test(arguments: [("0", 0), ("1", 1), ("0.0", 0), ("1.9", 1), ("true", nil), ("false", nil)] as [(String, Int?)])
  func `0 and 1 are numbers, true and false are not`(text: String, seconds: Int?) async throws {
    try await Tenant.run { _, _ in
      .json(#"{"id":"rec-1","duration":\#(text)}"#)
    } _: { tenant in
      let recording = try await tenant.source.recording(recordingID)
      #expect(recording.durationSeconds == seconds)
    }
  }

  @Test(arguments: ["", "null", "[]", "<html>", #"{"id":"other"}"#, #"{"id":"rec-1""#, #"{"id":".."}"#])
  func `a response that does not describe the recording is rejected`(body: String) async throws {
    try await Tenant.run { _, _ in
      .json(body)
    } _: { tenant in
      #expect(await failure { _ = try await tenant.source.recording(recordingID) }?.code == .platformProtocol)
    }
  }

  // MARK: Search

  @Test func `the parameters of a search are encoded`() async throws {
    try await Tenant.run { _, _ in
      .json(#"{"recordings":[]}"#)
    } _: { tenant in
      var query = query
      query.direction = .outbound
      query.agentID = "a&b"
      let page = try await tenant.source.search(query, cursor: "x=1&y", pageSize: 9000)
      #expect(page == ListPage(recordings: [], nextCursor: nil))
      #expect(
        tenant.calls.first?.target
          == "/api/v2/recordings?startTime=2026-01-15T00%3A00%3A00Z&endTime=2026-01-16T00%3A00%3A00Z"
          + "&direction=outbound&agentId=a%26b&pageSize=500&cursor=x%3D1%26y")
    }
  }

  @Test func `a row without a valid id is set aside with its position`() async throws {
    try await Tenant.run { _, _ in
      .json(
        #"{"recordings":[{"id":"a"},{"id":".."},{"status":"available"},7,{"id":12},{"id":"b"},{"id":1},{"id":0},{"id":true}],"nextCursor":"n"}"#
      )
    } _: { tenant in
      let page = try await tenant.source.search(query, cursor: nil, pageSize: 100)
      #expect(page.recordings.map(\.id.rawValue) == ["a", "12", "b", "1", "0"])
      #expect(page.unidentified.map(\.position) == [2, 3, 4, 9])
      #expect(page.rowCount == 9)
      #expect(page.nextCursor == "n")
    }
  }

  @Test(
    arguments: [
      (#""nextCursor":1"#, "1"), (#""nextCursor":0"#, "0"), (#""nextCursor":"n""#, "n"), (#""nextCursor":null"#, nil),
      (#""nextCursor":"""#, nil),
      (#""total":7"#, nil),
    ] as [(String, String?)])
  func `a listing continues as long as a page has a cursor`(field: String, next: String?) async throws {
    try await Tenant.run { _, _ in
      .json(#"{"recordings":[],\#(field)}"#)
    } _: { tenant in
      let page = try await tenant.source.search(query, cursor: nil, pageSize: 100)
      #expect(page.nextCursor == next)
    }
  }

  @Test(arguments: ["true", "false", "{}", "[]", #"{"next":"n"}"#, "1e300"])
  func `an unreadable cursor does not end the listing`(value: String) async throws {
    try await Tenant.run { _, _ in
      .json(#"{"recordings":[],"nextCursor":\#(value)}"#)
    } _: { tenant in
      let error = await failure { _ = try await tenant.source.search(query, cursor: nil, pageSize: 100) }
      #expect(error?.code == .platformProtocol)
    }
  }

  @Test func `204 is an empty page`() async throws {
    try await Tenant.run { _, _ in
      ScriptedServer.Reply([.send(Array("HTTP/1.1 204 No Content\r\n\r\n".utf8))])
    } _: { tenant in
      let page = try await tenant.source.search(query, cursor: nil, pageSize: 100)
      #expect(page == ListPage(recordings: [], nextCursor: nil))
    }
  }

  @Test(arguments: [
    "[]", "null", #"{"recordings":{"a":1}}"#, #"{"recordings":"none"}"#, #"{"message":"Try later."}"#, "<html>",
    #"{"error":{"code":5}}"#, #"{"requestId":"x"}"#, #"{"total":7}"#, #"{"recordings":[{"id":"a"}"#,
    #"{"recordings":[],"nextCursor":"same"}"#, #"{"recordings":[],"nextCursor":"a","nextCursor":"b"}"#,
  ])
  func `a malformed page, or one that names itself as the next, is rejected`(body: String) async throws {
    try await Tenant.run { _, _ in
      .json(body)
    } _: { tenant in
      let error = await failure { _ = try await tenant.source.search(query, cursor: "same", pageSize: 100) }
      #expect(error?.code == .platformProtocol)
    }
  }

  @Test func `a response that is too long is rejected`() async throws {
    try await Tenant.run { _, _ in
      .chunked(200, pieces: Array(repeating: [UInt8](repeating: 0x20, count: 1 << 20), count: 12))
    } _: { tenant in
      let error = await failure { _ = try await tenant.source.search(query, cursor: nil, pageSize: 100) }
      #expect(error?.code == .platformProtocol)
    }
  }

  @Test func `a page that is too long is requested again with fewer rows`() async throws {
    try await Tenant.run { request, _ in
      request.target.contains("pageSize=31")
        ? .json(#"{"recordings":[{"id":"a"}],"nextCursor":"n"}"#)
        : .chunked(200, pieces: Array(repeating: [UInt8](repeating: 0x20, count: 1 << 20), count: 9))
    } _: { tenant in
      let page = try await tenant.source.search(query, cursor: "c", pageSize: 500)
      #expect(page.recordings.map(\.id.rawValue) == ["a"] && page.nextCursor == "n")
      #expect(tenant.calls.count == 3)
      #expect(tenant.calls.allSatisfy { $0.target.hasSuffix("cursor=c") })
    }
  }

  // MARK: Failures

  @Test(arguments: [
    (404, TapedeckError.Code.unknownRecording), (410, .unknownRecording), (400, .platformRefused),
    (429, .platformRateLimited), (500, .platformUnavailable), (503, .platformUnavailable),
    (301, .platformProtocol), (202, .notYetAvailable), (204, .notYetAvailable), (409, .notYetAvailable),
    (423, .notYetAvailable), (425, .notYetAvailable), (422, .platformRefused),
  ])
  func `each status maps to an error code`(status: Int, code: TapedeckError.Code) async throws {
    try await Tenant.run { _, _ in
      .response(status, ["Location": "https://elsewhere.example/"], body: Array("<html></html>".utf8))
    } _: { tenant in
      #expect(await failure { _ = try await tenant.source.recording(recordingID) }?.code == code)
      #expect(tenant.calls.count == 1)
    }
  }

  @Test func `403 names the missing scope or the privacy rule`() async throws {
    var options = Tenant.Options()
    options.token = { _ in Tenant.token("t", scope: "recording:read") }
    try await Tenant.run(options) { request, _ in
      request.target.hasSuffix("rec-2")
        ? .json(#"{"error":"insufficient_scope"}"#, status: 403) : .response(403)
    } _: { tenant in
      let download = await failure { _ = try await tenant.download(into: MemorySink()) }
      #expect(download?.code == .platformScopeRefused)
      #expect(download?.message.contains("recording:download") == true)
      let privacy = await failure { _ = try await tenant.source.recording(recordingID) }
      #expect(privacy?.code == .platformRefused)
      #expect(privacy?.message.contains("privacy") == true)
      let scope = await failure { _ = try await tenant.source.recording(RecordingID("rec-2")!) }
      #expect(scope?.code == .platformScopeRefused)
      #expect(scope?.message.contains("recording:read") == true)
    }
  }

  @Test func `a call that hangs times out`() async throws {
    let clock = TestClock()
    var options = Tenant.Options()
    options.system = clock.system()
    options.callTimeout = .seconds(10)
    let never = Gate()
    // Once before the headers, once in the body: the timeout applies to the complete call.
    for reply in [
      ScriptedServer.Reply([.wait(never)]),
      ScriptedServer.Reply([.send(Array("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{".utf8)), .wait(never)]),
    ] {
      try await Tenant.run(options) { _, _ in
        reply
      } _: { tenant in
        let call = Task { await failure { _ = try await tenant.source.recording(recordingID) } }
        try await until { tenant.calls.count == 1 }
        try await clock.untilSleeping(1)
        clock.advance(by: .seconds(10))
        #expect(await call.value?.code == .platformUnavailable)
      }
    }
  }

  @Test(arguments: [false, true])
  func `no tokens accumulate while the platform hangs`(isDownload: Bool) async throws {
    let (clock, never) = (TestClock(), Gate())
    let allowance = LocalAllowance(limits: RequestLimits(rate: 100, burst: 20), now: { clock.now })
    var options = Tenant.Options()
    options.system = clock.system()
    options.stallTimeout = .seconds(10)
    options.allowance = allowance
    try await Tenant.run(options) { _, _ in
      .init([.wait(never)])
    } _: { tenant in
      let call = Task {
        await failure {
          if isDownload {
            _ = try await tenant.download(into: MemorySink())
          } else {
            _ = try await tenant.source.recording(recordingID)
          }
        }
      }
      try await until { tenant.calls.count == 1 }
      let time = Task {
        while true {
          try await clock.untilSleeping(1)
          clock.advance(by: .seconds(10))
          await Task.yield()
        }
      }
      #expect(await call.value?.code == .platformUnavailable)
      time.cancel()
      _ = try await tenant.source.rateLimitStatus()
      let tickets = Array(repeating: RequestTicket(.metadata, .fresh), count: 5)
      #expect(try await allowance.change { $0.take(tickets, now: $1).granted } == [0])
    }
  }

  @Test func `a call does not wait behind the maximum number of downloads`() async throws {
    let never = Gate()
    var options = Tenant.Options()
    options.parallelDownloads = 256
    try await Tenant.run(options) { request, _ in
      request.target.hasSuffix("/download") ? .init([.wait(never)]) : .json(#"{"id":"rec-1","duration":7}"#)
    } _: { tenant in
      let downloads = (0..<100).map { _ in Task { await failure { _ = try await tenant.download(into: MemorySink()) } }
      }
      try await until { tenant.calls.count == 100 }
      let recording = try await tenant.source.recording(recordingID)
      #expect(recording.durationSeconds == 7)
      for download in downloads { download.cancel() }
      for download in downloads { #expect(await download.value?.code == .interrupted) }
    }
  }

  @Test func `broken and refused connections are retryable failures`() async throws {
    let address = try await Tenant.run { _, number in
      number < 3 ? ScriptedServer.Reply([.close]) : ScriptedServer.Reply([.reset])
    } _: { tenant in
      for _ in 0..<2 {
        #expect(await failure { _ = try await tenant.source.recording(recordingID) }?.code == .platformUnavailable)
      }
      return tenant
    }
    // Each call replaces its connection twice.
    #expect(address.calls.count == 6)
  }

  // MARK: 429

  @Test(
    arguments: [
      ("7", Duration.seconds(7)), ("0", .zero), ("99999999999999999999", .seconds(3600)),
      ("Thu, 15 Jan 2026 12:00:20 GMT", .seconds(20)), ("Thursday, 15-Jan-26 12:00:20 GMT", .seconds(20)),
      ("Thu Jan 15 12:00:20 2026", .seconds(20)), ("Thu, 15 Jan 2026 11:00:00 GMT", .zero),
    ] as [(String, Duration)])
  func `429 reports Retry-After relative to the platform's clock`(value: String, delay: Duration) async throws {
    try await Tenant.run { _, _ in
      .response(429, ["Retry-After": value, "Date": "Thu, 15 Jan 2026 12:00:00 GMT"])
    } _: { tenant in
      let error = await failure { _ = try await tenant.source.recording(recordingID) }
      #expect(error?.code == .platformRateLimited)
      #expect(error?.retryAfter == delay)
    }
  }

  @Test func `429 pauses the source until its delay is over`() async throws {
    let clock = TestClock()
    var options = Tenant.Options()
    options.system = clock.system()
    try await Tenant.run(options) { _, number in
      number == 0 ? .response(429, ["Retry-After": "120"]) : .json(#"{"recordings":[]}"#)
    } _: { tenant in
      let first = await failure { _ = try await tenant.source.recording(recordingID) }
      #expect(first?.retryAfter == .seconds(120))
      clock.advance(by: .seconds(60))
      let other = await failure { _ = try await tenant.source.search(query, cursor: nil, pageSize: 1) }
      #expect(other?.code == .platformRateLimited)
      #expect(other?.retryAfter == .seconds(60))
      #expect(tenant.calls.count == 1)
      clock.advance(by: .seconds(60))
      let last = Task { await failure { _ = try await tenant.source.search(query, cursor: nil, pageSize: 1) } }
      // Until the bucket has a token.
      try await clock.untilSleeping(1)
      clock.advance(by: .milliseconds(200))
      #expect(await last.value == nil)
      #expect(tenant.calls.count == 2)
    }
  }

  @Test(arguments: [nil, "soon", "-3"])
  func `429 without a valid Retry-After pauses the source briefly`(value: String?) async throws {
    let clock = TestClock()
    var options = Tenant.Options()
    options.system = clock.system()
    try await Tenant.run(options) { _, number in
      number == 0 ? .response(429, value.map { ["Retry-After": $0] } ?? [:]) : .json(#"{"recordings":[]}"#)
    } _: { tenant in
      let error = await failure { _ = try await tenant.source.recording(recordingID) }
      #expect(error?.code == .platformRateLimited)
      #expect(error?.retryAfter == nil)
      let next = Task { await failure { _ = try await tenant.source.search(query, cursor: nil, pageSize: 1) } }
      // Two seconds, then a fifth of a second until the bucket has a token.
      for delay in [2000, 200] {
        try await clock.untilSleeping(1)
        #expect(tenant.calls.count == 1)
        clock.advance(by: .milliseconds(delay))
      }
      #expect(await next.value == nil)
    }
  }

  @Test func `every request takes a permit from the budget, including the token call`() async throws {
    let clock = TestClock()
    var options = Tenant.Options()
    options.system = clock.system()
    options.rate = 1
    options.burst = 2
    try await Tenant.run(options) { _, _ in
      .json(#"{"recordings":[]}"#)
    } _: { tenant in
      _ = try await tenant.source.search(query, cursor: nil, pageSize: 1)
      let next = Task { await failure { _ = try await tenant.source.search(query, cursor: nil, pageSize: 1) } }
      try await clock.untilSleeping(1)
      #expect(tenant.server.requests.count == 2)
      clock.advance(by: .seconds(1))
      #expect(await next.value == nil)
    }
  }

  // MARK: Access

  @Test func `the access check succeeds when everything is granted`() async throws {
    try await Tenant.run { request, _ in
      request.target.hasPrefix("/api/v2/recordings") ? .json(#"{"recordings":[]}"#) : .response(404)
    } _: { tenant in
      let checks = await tenant.source.checkAccess()
      #expect(checks.map(\.subject) == [.token, .readScope, .downloadScope])
      #expect(checks.allSatisfy { $0.failure == nil })
    }
  }

  @Test func `the access check requests the audio of an existing recording`() async throws {
    try await Tenant.run { request, _ in
      request.target.hasPrefix("/api/v2/recordings")
        ? .json(#"{"recordings":[{"id":"r","status":"processing"},{"id":"x","status":"available"}]}"#)
        : request.target.hasSuffix("/x/download") ? .response(403) : .response(404)
    } _: { tenant in
      let checks = await tenant.source.checkAccess()
      #expect(checks.map { $0.failure?.code } == [nil, nil, .platformRefused])
    }
  }

  @Test func `the access check names a scope that the token lacks`() async throws {
    var options = Tenant.Options()
    options.token = { _ in Tenant.token("t", scope: "recording:read") }
    try await Tenant.run(options) { request, _ in
      request.target.hasPrefix("/api/v2/recordings") ? .json(#"{"recordings":[]}"#) : .response(404)
    } _: { tenant in
      let checks = await tenant.source.checkAccess()
      #expect(checks.map { $0.failure?.code } == [nil, nil, .platformScopeRefused])
    }
  }

  @Test func `the access check without a token fails for every subject`() async throws {
    var options = Tenant.Options()
    options.token = { _ in .response(401) }
    try await Tenant.run(options) { _, _ in
      .response(500)
    } _: { tenant in
      let checks = await tenant.source.checkAccess()
      #expect(checks.map { $0.failure?.code } == Array(repeating: .platformCredentialsRefused, count: 3))
    }
  }
}
