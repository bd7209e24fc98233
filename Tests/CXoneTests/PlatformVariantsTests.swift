import CXone
import Foundation
import Model
import TestKit
import Testing

/// What platforms send instead of what the contract says.
@Suite(.timeLimit(.minutes(1))) struct PlatformVariantsTests {
  private static let description = #"{"id":"rec-1","status":"available"}"#

  private static func bytes(_ base64: String) -> [UInt8] { Array(Data(base64Encoded: base64) ?? Data()) }

  // MARK: Connections

  @Test(arguments: [ScriptedServer.Reply.Step.close, .reset])
  func `a kept-alive connection that dies unanswered is replaced at once`(end: ScriptedServer.Reply.Step) async throws {
    try await Tenant.run { _, number in
      number % 2 == 1 ? ScriptedServer.Reply([end]) : .json(Self.description)
    } _: { tenant in
      for _ in 0..<3 { _ = try await tenant.source.recording(recordingID) }
      // The first call needs one request, each later one a second connection.
      #expect(tenant.calls.count == 5)
      #expect(tenant.tokenRequests == 1)
    }
  }

  @Test func `a download whose connection dies before the response is repeated`() async throws {
    let whole = file(1000)
    try await Tenant.run { request, number in
      number == 0 ? ScriptedServer.Reply([.close]) : DownloadTests.serve(whole, to: request)
    } _: { tenant in
      let sink = MemorySink()
      _ = try await tenant.download(into: sink)
      #expect(sink.bytes == whole)
      #expect(tenant.calls.count == 2)
    }
  }

  @Test func `a response that has begun is not requested again`() async throws {
    try await Tenant.run { _, _ in
      ScriptedServer.Reply([.send(Array("HTTP/1.1 200 OK\r\nContent-Le".utf8)), .close])
    } _: { tenant in
      #expect(await failure { _ = try await tenant.source.recording(recordingID) }?.code == .platformUnavailable)
      #expect(tenant.calls.count == 1)
    }
  }

  // MARK: Content codings

  @Test func `calls ask for unencoded JSON`() async throws {
    try await Tenant.run { _, _ in
      .json(Self.description)
    } _: { tenant in
      _ = try await tenant.source.recording(recordingID)
      #expect(tenant.server.requests.allSatisfy { $0.header("Accept-Encoding") == "identity" })
      #expect(tenant.server.requests.count == 2)
    }
  }

  @Test(arguments: [
    ("gzip", "H4sIAAAAAAACA6tWykxRslIqSk3WNVTSUSouSSwpLQYKJJYlZuYkJuWkKtUCAGWTuS0jAAAA"),
    ("x-gzip", "H4sIAAAAAAACA6tWykxRslIqSk3WNVTSUSouSSwpLQYKJJYlZuYkJuWkKtUCAGWTuS0jAAAA"),
    ("GZIP", "H4sIAAAAAAACA6tWykxRslIqSk3WNVTSUSouSSwpLQYKJJYlZuYkJuWkKtUCAGWTuS0jAAAA"),
    ("deflate", "eJyrVspMUbJSKkpN1jVU0lEqLkksKS0GCiSWJWbmJCblpCrVAgDA3AtT"),
    ("deflate", "q1bKTFGyUipKTdY1VNJRKi5JLCktBgokliVm5iQm5aQq1QIA"),
    ("none", "eyJpZCI6InJlYy0xIiwic3RhdHVzIjoiYXZhaWxhYmxlIn0="),
    ("UTF-8", "eyJpZCI6InJlYy0xIiwic3RhdHVzIjoiYXZhaWxhYmxlIn0="),
    ("identity", "eyJpZCI6InJlYy0xIiwic3RhdHVzIjoiYXZhaWxhYmxlIn0="),
  ])
  func `an encoded description is read`(coding: String, base64: String) async throws {
    try await Tenant.run { _, _ in
      .response(200, ["Content-Encoding": coding], body: Self.bytes(base64))
    } _: { tenant in
      let recording = try await tenant.source.recording(recordingID)
      #expect(recording.status == .available)
    }
  }

  @Test(arguments: [
    // 9 MiB of zeros, compressed twice.
    (
      "deflate, deflate",
      "eNrt2LENglAUAMD3I4loISuwAztQ21hT01naQcICbOIMTGF0BnUDxTCG5G6MuzyeU0oR0Y/f6zvfBwAAALBy/X3YLBkQ5XyrjycAAABg7drisFsuIPt0r20lR+AfNfk50g+2mV8v"
    ),
    ("gzip", "H4sIAAAAAAACA6tWykxRslIqSk3WNVTSUSouSSwpLQYKJJYlZuYkJuWk"),
    ("br", "eyJpZCI6InJlYy0xIiwic3RhdHVzIjoiYXZhaWxhYmxlIn0="),
    ("deflate", "bm90IGNvbXByZXNzZWQ="),
  ])
  func `data that cannot be decoded within bounds is rejected`(coding: String, base64: String) async throws {
    try await Tenant.run { _, _ in
      .response(200, ["Content-Encoding": coding], body: Self.bytes(base64))
    } _: { tenant in
      #expect(await failure { _ = try await tenant.source.recording(recordingID) }?.code == .platformProtocol)
    }
  }

  @Test func `all members of a compressed body are read`() async throws {
    let members = [
      "H4sIAAAAAAACA6tWykxRslIqSk3WNVTSAQCJwBumDgAAAA==",
      "H4sIAAAAAAACA1MqLkksKS1WsgIABV/k1AkAAAA=",
      "H4sIAAAAAAACA1NKLEvMzElMyklVqgUAysXIuwwAAAA=",
    ]
    let body = members.flatMap(Self.bytes)
    try await Tenant.run { _, _ in
      .response(200, ["Content-Encoding": "gzip"], body: body)
    } _: { tenant in
      let recording = try await tenant.source.recording(recordingID)
      #expect(recording.status == .available)
    }
  }

  // MARK: Descriptions

  static let encodings: [String.Encoding] = [
    .utf8, .utf16, .utf16LittleEndian, .utf16BigEndian, .utf32, .utf32LittleEndian, .utf32BigEndian,
  ]

  @Test(arguments: encodings, ["", "\u{FEFF}"])
  func `a description in another encoding is read`(encoding: String.Encoding, mark: String) async throws {
    let text = mark + #"{"id":"rec-1","agentName":"Zoë 🎧","privacy":"restricted","privacy":"standard"}"#
    let body = Array(try #require(text.data(using: encoding)))
    try await Tenant.run { _, _ in
      .response(200, [:], body: body)
    } _: { tenant in
      let recording = try await tenant.source.recording(recordingID)
      #expect(recording.agentName == "Zoë 🎧" && recording.privacy == .restricted)
    }
  }

  @Test(arguments: SearchPageTests.hiddenPrivacy)
  func `a description is restricted or refused when a part of it is not JSON`(rest: [UInt8]) async throws {
    try await Tenant.run { _, _ in
      .response(200, [:], body: Array(#"{"id":"rec-1","status":"available","#.utf8) + rest + Array("}".utf8))
    } _: { tenant in
      let answer = await Result(running: { () async throws(TapedeckError) in
        try await tenant.source.recording(recordingID)
      })
      switch answer {
      case .success(let recording): #expect(recording.privacy == .restricted)
      case .failure(let error): #expect(error.code == .platformProtocol)
      }
    }
  }

  @Test(arguments: [#"A\u202enna"#, #"An\u0000na"#, #"An\u009bna\u2066"#, #"\ufeffAnna\u0007"#])
  func `a name is shown without control characters`(name: String) async throws {
    try await Tenant.run { _, _ in
      .json(#"{"id":"rec-1","agentName":"\#(name)","agentId":"7"}"#)
    } _: { tenant in
      let recording = try await tenant.source.recording(recordingID)
      #expect(recording.agentName == "Anna" && recording.agentID == "7")
    }
  }

  @Test func `the token and the credentials are redacted`() async throws {
    var options = Tenant.Options()
    options.id = try #require(SourceID("redacted"))
    options.token = { _ in Tenant.token("platform-canary-1") }
    try await Tenant.run(options) { _, _ in
      .json(Self.description)
    } _: { tenant in
      _ = try await tenant.source.recording(recordingID)
      let value = try #require(tenant.server.requests.first?.header("Authorization")).dropFirst("Basic ".count)
      #expect(Redactor.shared.redact("a platform-canary-1 \(value)") == "a [redacted] [redacted]")
    }
  }

  @Test(arguments: [
    #"{"error":{"code":"E1"}}"#, #"{"error":"busy"}"#, #"{"id":"rec-1","error":{"message":"x"}}"#, #"{"error":true}"#,
  ])
  func `an error with status 200 counts as temporary`(body: String) async throws {
    try await Tenant.run { _, _ in
      .json(body)
    } _: { tenant in
      #expect(await failure { _ = try await tenant.source.recording(recordingID) }?.code == .platformUnavailable)
    }
  }

  @Test(arguments: [
    #"{"errors":[{"code":"RECORDING_ARCHIVED"}]}"#, #"{"errors":{"a":"b"}}"#, #"{"errors":"busy"}"#,
  ])
  func `errors with status 200 are an error that may pass`(body: String) async throws {
    try await Tenant.run { _, _ in
      .json(body)
    } _: { tenant in
      #expect(await failure { _ = try await tenant.source.recording(recordingID) }?.code == .platformUnavailable)
    }
  }

  @Test(
    arguments: [
      ("REC-1", "IDs are case-sensitive: request 'REC-1'"), ("Rec-1", "IDs are case-sensitive: request 'Rec-1'"),
      ("rec-2", "answered with 'rec-2'."), ("rec-11", "answered with 'rec-11'."), ("", nil),
    ] as [(String, String?)])
  func `an answer about another recording names it`(id: String, words: String?) async throws {
    try await Tenant.run { _, _ in
      .json(#"{"id":"\#(id)","status":"available"}"#)
    } _: { tenant in
      let error = await failure { _ = try await tenant.source.recording(recordingID) }
      #expect(error?.code == words.map { _ in .platformProtocol })
      if let words {
        #expect(error?.message.contains(words) == true && error?.message.contains("'rec-1'") == true)
        #expect(error?.message.contains("case-sensitive") == (id.lowercased() == "rec-1"))
      }
    }
  }

  @Test(arguments: [
    #"{"id":"rec-1","status":"avail"#, #"{"id":"rec-1","status":"available","privacy":"standard""#,
    #"{"id":"rec-1","status":"available","agentName":"Jo}"#,
  ])
  func `a description that is cut is an error, since its privacy may be missing`(body: String) async throws {
    try await Tenant.run { _, _ in
      .json(body)
    } _: { tenant in
      #expect(await failure { _ = try await tenant.source.recording(recordingID) }?.code == .platformProtocol)
    }
  }

  @Test(arguments: ["{}", #"{"recording":{"id":"rec-1","status":"available"}}"#, #"{"error":null}"#, #"{"error":""}"#])
  func `an object that does not describe a recording is rejected`(body: String) async throws {
    try await Tenant.run { _, _ in
      .json(body)
    } _: { tenant in
      #expect(await failure { _ = try await tenant.source.recording(recordingID) }?.code == .platformProtocol)
    }
  }

  @Test(
    arguments: [
      ("archived", "archived"), ("Available", nil), ("ready", nil), ("Processing", nil), ("Deleted", "Deleted"),
    ] as [(String, String?)])
  func `a status of unknown meaning is kept`(word: String, kept: String?) async throws {
    try await Tenant.run { _, _ in
      .json(#"{"id":"rec-1","status":"\#(word)"}"#)
    } _: { tenant in
      let recording = try await tenant.source.recording(recordingID)
      #expect(recording.unknownStatus == kept)
    }
  }

  @Test(arguments: [202, 204, 404, 409, 423, 425])
  func `the time asked for by a platform that is not ready is kept`(status: Int) async throws {
    try await Tenant.run { _, _ in
      .response(status, ["Retry-After": "7"])
    } _: { tenant in
      let metadata = await failure { _ = try await tenant.source.recording(recordingID) }
      let download = await failure { _ = try await tenant.download(into: MemorySink()) }
      #expect(metadata?.retryAfter == .seconds(7))
      #expect(download?.retryAfter == .seconds(7))
    }
  }

  // MARK: Ranges

  @Test(arguments: [400, 406, 412, 416, 501])
  func `a platform that rejects every range is asked once without`(status: Int) async throws {
    let whole = file(1000)
    try await Tenant.run { request, _ in
      request.header("Range") == nil ? .response(200, body: whole) : .response(status)
    } _: { tenant in
      let sink = MemorySink()
      _ = try await tenant.download(into: sink)
      #expect(sink.bytes == whole)
      #expect(tenant.calls.map { $0.header("Range") } == ["bytes=0-", nil])
    }
  }

  // MARK: Redirects

  @Test func `metadata is redirected within the origin with the token`() async throws {
    try await Tenant.run { request, _ in
      request.target.hasSuffix("/")
        ? .json(Self.description) : .response(308, ["Location": "\(request.target)/"])
    } _: { tenant in
      let recording = try await tenant.source.recording(recordingID)
      #expect(recording.status == .available)
      #expect(tenant.calls.allSatisfy { $0.header("Authorization") == "Bearer token-0" })
      #expect(tenant.calls.count == 2)
    }
  }

  @Test(arguments: [[], ["127.0.0.1"]])
  func `another port of the same host is not the same origin`(allowed: [String]) async throws {
    let whole = file(1000)
    var options = Tenant.Options()
    options.allowedDownloadHosts = allowed
    try await ScriptedServer.run { request in
      DownloadTests.serve(whole, to: request)
    } _: { other in
      let location = other.address + "/media"
      try await Tenant.run(options) { _, _ in
        .response(302, ["Location": location])
      } _: { tenant in
        let sink = MemorySink()
        let error = await failure { _ = try await tenant.download(into: sink) }
        #expect(error?.code == (allowed.isEmpty ? .platformProtocol : nil))
        #expect(other.requests.count == allowed.count)
        #expect(other.requests.allSatisfy { $0.header("Authorization") == nil })
        #expect(sink.bytes == (allowed.isEmpty ? [] : whole))
      }
    }
  }

  // MARK: Credentials

  private static func basic(_ secret: String) -> String {
    "Basic " + Data("client:\(secret)".utf8).base64EncodedString()
  }

  @Test(arguments: [
    (BasicEncoding.automatic, ["s3cr%2Bt%2F%3D%40", "s3cr+t/=@", "s3cr+t/=@"]),
    (.plain, ["s3cr+t/=@", "s3cr+t/=@"]),
  ])
  func `a platform that does not decode credentials gets them plain, and that is remembered`(
    encoding: BasicEncoding, sent: [String]
  ) async throws {
    var options = Tenant.Options()
    options.clientSecret = "s3cr+t/=@"
    options.basicEncoding = encoding
    options.tokenAnswer = { request in
      request.header("Authorization") == Self.basic("s3cr+t/=@")
        ? Tenant.token("t", expiresIn: 0) : .json(#"{"error":"invalid_client"}"#, status: 401)
    }
    try await Tenant.run(options) { _, _ in
      .json(Self.description)
    } _: { tenant in
      for _ in 0..<2 { _ = try await tenant.source.recording(recordingID) }
      let tokens = tenant.server.requests.filter { $0.target == "/oauth2/token" }
      #expect(tokens.map { $0.header("Authorization") } == sent.map { Self.basic($0) })
    }
  }

  @Test func `a forced encoding is not varied`() async throws {
    var options = Tenant.Options()
    options.clientSecret = "s3cr+t/=@"
    options.basicEncoding = .encoded
    options.tokenAnswer = { _ in .json(#"{"error":"invalid_client"}"#, status: 400) }
    try await Tenant.run(options) { _, _ in
      .json(Self.description)
    } _: { tenant in
      #expect(
        await failure { _ = try await tenant.source.recording(recordingID) }?.code == .platformCredentialsRefused)
      #expect(tenant.tokenRequests == 1)
    }
  }

  @Test(arguments: [
    "recording:read,recording:download", "recording:read, recording:download", "recording:download  recording:read",
    "other,recording:download,recording:read",
  ])
  func `scopes may be separated by commas`(scope: String) async throws {
    var options = Tenant.Options()
    options.token = { _ in Tenant.token("t", scope: scope) }
    try await Tenant.run(options) { request, _ in
      request.target.contains("/recordings?") ? .json(#"{"recordings":[]}"#) : .response(404)
    } _: { tenant in
      for check in await tenant.source.checkAccess() { #expect(check.failure == nil) }
    }
  }

  @Test(arguments: [#"a\n"#, #"a\r\nX: y"#, "a b", "ä"])
  func `a token with characters that a header cannot carry has its own message`(token: String) async throws {
    var options = Tenant.Options()
    options.token = { _ in Tenant.token(token) }
    try await Tenant.run(options) { _, _ in
      .json(Self.description)
    } _: { tenant in
      let error = await failure { _ = try await tenant.source.recording(recordingID) }
      #expect(error?.code == .platformProtocol)
      #expect(error?.message.contains("line break") == true)
    }
  }

  // MARK: 503

  @Test func `503 for one recording pauses its job but not the source`() async throws {
    try await Tenant.run { request, _ in
      request.target.hasSuffix("rec-1") ? .response(503, ["Retry-After": "3000"]) : .json(#"{"status":"available"}"#)
    } _: { tenant in
      for _ in 0..<4 {
        let error = await failure { _ = try await tenant.source.recording(recordingID) }
        #expect(error?.code == .platformUnavailable)
        #expect(error?.retryAfter == .seconds(3000))
        #expect(await failure { _ = try await tenant.source.recording(RecordingID("rec-2")!) } == nil)
      }
    }
  }

  @Test func `the source pauses when several recordings in succession are unavailable`() async throws {
    try await Tenant.run { _, _ in
      .response(503, ["Retry-After": "3000"])
    } _: { tenant in
      var codes: [TapedeckError.Code?] = []
      for number in 0...RecordingFailures.limit {
        codes.append(
          await failure { _ = try await tenant.source.recording(RecordingID("rec-\(number)")!) }?.code)
      }
      #expect(codes == [.platformUnavailable, .platformUnavailable, .platformUnavailable, .platformRateLimited])
      #expect(tenant.calls.count == RecordingFailures.limit)
    }
  }
}
