import Model
import NIOCore
import ObjectStorage
import TestKit
import Testing

/// How reading handles wrong or hostile responses, and how many requests it sends.
@Suite(.timeLimit(.minutes(1))) struct S3ReadingTests {
  typealias Request = ScriptedServer.Request
  typealias Reply = ScriptedServer.Reply

  static let megabyte = 1 << 20

  /// A correct response to HEAD and to ranges.
  static func good(_ request: Request, bytes: Int) -> Reply {
    guard request.method == "GET" else { return .head("\(bytes)") }
    guard let range = request.header("Range")?.dropFirst("bytes=".count).split(separator: "-").compactMap({ Int($0) })
    else { return .response(200, body: [UInt8](repeating: 7, count: bytes)) }
    return .part(
      "bytes \(range[0])-\(range[1])/\(bytes)", body: (range[0]...range[1]).map { UInt8(truncatingIfNeeded: $0 / 1000) }
    )
  }

  @Test func `a range is requested with the ETag of the opened version`() async throws {
    try await ScriptedStore.run { request, _ in
      Self.good(request, bytes: 5000)
    } _: { scripted, _ in
      let object = try await scripted.store.open(anyName)
      #expect(object.bytes == 5000)
      #expect(try await object.bytes(998, 4) == [0, 0, 1, 1])
      let request = try #require(scripted.server.requests.last)
      #expect(request.header("Range") == "bytes=998-1001")
      #expect(request.header("If-Match") == "\"e\"")
      #expect(request.header("x-amz-security-token") == ScriptedStore.token)
    }
  }

  // MARK: Few requests

  @Test func `each range is one request, and the metadata is requested once a minute`() async throws {
    let clock = TestClock()
    try await ScriptedStore.run(system: clock.system()) { request, _ in
      Self.good(request, bytes: 5000)
    } _: { scripted, _ in
      for offset in [0, 3000, 1000] { _ = try await scripted.store.open(anyName).bytes(Int64(offset), 10) }
      #expect(scripted.calls.map { $0.prefix(4) } == ["HEAD", "GET ", "GET ", "GET "])
      clock.advance(by: .seconds(59))
      _ = try await scripted.store.open(anyName)
      #expect(scripted.calls.count == 4)
      clock.advance(by: .seconds(2))
      _ = try await scripted.store.open(anyName)
      #expect(scripted.calls.count == 5)
    }
  }

  @Test func `cached metadata is dropped when an object is stored, removed or moved to quarantine`() async throws {
    try await ScriptedStore.run { request, _ in
      switch request.method {
      case "PUT" where request.header("x-amz-copy-source") == nil: .stored(request)
      case "PUT": .xml("<CopyObjectResult><ETag>x</ETag></CopyObjectResult>")
      case "HEAD": .head("5000")
      default: .response(204)
      }
    } _: { scripted, folder in
      let object = try TestObject([1])
      let changes: [() async throws -> Void] = [
        { try await scripted.store.quarantine(object.name, because: "") },
        { _ = try await scripted.store.keep([1], by: folder) },
        { try await scripted.store.remove(object.name) },
      ]
      for (number, change) in changes.enumerated() {
        for _ in 0..<2 { _ = try await scripted.store.open(object.name) }
        try await change()
        // Moving to quarantine requests the object's length.
        #expect(scripted.calls.count { $0.hasPrefix("HEAD") } == number + 2)
      }
      _ = try await scripted.store.open(object.name)
      #expect(scripted.calls.last?.hasPrefix("HEAD") == true)
    }
  }

  @Test func `sequential reads fetch ahead, up to 1 MiB at a time`() async throws {
    try await ScriptedStore.run { request, _ in
      Self.good(request, bytes: 4 * Self.megabyte)
    } _: { scripted, _ in
      let object = try await scripted.store.open(anyName)
      var offset: Int64 = 0
      while offset < object.bytes {
        let piece = try await object.bytes(offset, 128 << 10)
        #expect(piece.count == 128 << 10)
        #expect(piece.first == UInt8(truncatingIfNeeded: offset / 1000))
        offset += Int64(piece.count)
      }
      let lengths = scripted.server.requests.dropFirst().map { $0.header("Range") ?? "" }
      #expect(
        lengths == [
          "bytes=0-131071", "bytes=131072-393215", "bytes=393216-917503", "bytes=917504-1966079",
          "bytes=1966080-3014655", "bytes=3014656-4063231", "bytes=4063232-4194303",
        ])
      // A read elsewhere fetches no more than requested.
      _ = try await object.bytes(1000, 10)
      #expect(scripted.server.requests.last?.header("Range") == "bytes=1000-1009")
    }
  }

  @Test func `a read takes at most 4 MiB into memory`() async throws {
    try await ScriptedStore.run { request, _ in
      Self.good(request, bytes: 5 * Self.megabyte)
    } _: { scripted, _ in
      let object = try await scripted.store.open(anyName)
      #expect(try await object.bytes(0, .max).count == 4 * Self.megabyte)
      #expect(try await object.bytes(Int64(4 * Self.megabyte), .max).count == Self.megabyte)
    }
  }

  // MARK: Wrong responses

  struct Answer: Sendable, CustomTestStringConvertible {
    var testDescription: String
    var code: TapedeckError.Code
    var reply: Reply

    init(_ what: String, _ code: TapedeckError.Code, _ reply: Reply) {
      testDescription = what
      self.code = code
      self.reply = reply
    }
  }

  static let ten = [UInt8](repeating: 1, count: 10)

  /// Answers to `bytes=100-109` of an object of 5,000 bytes.
  static let wrongAnswers = [
    Answer("changed", .objectDamaged, .refusal(412, "PreconditionFailed")),
    Answer("shorter", .objectDamaged, .refusal(416, "InvalidRange")),
    Answer("another total", .objectDamaged, .part("bytes 100-109/4999", body: ten)),
    Answer("gone", .objectMissing, .refusal(404, "NoSuchKey")),
    Answer("gone without a word", .objectMissing, .response(404)),
    Answer("no bucket", .storageFailed, .refusal(404, "NoSuchBucket")),
    Answer("a gateway's page", .storageFailed, .response(404, body: Array("<html><h1>Not Found</h1></html>".utf8))),
    Answer("a gateway's words", .storageFailed, .response(404, body: Array("404 page not found".utf8))),
    Answer(
      "an error without its words", .storageFailed,
      .init(
        [.send(Array("HTTP/1.1 404 Not Found\r\nContent-Length: 300\r\n\r\n".utf8)), .close])),
    Answer("another start", .storageFailed, .part("bytes 0-9/5000", body: ten)),
    Answer("another end", .storageFailed, .part("bytes 100-108/5000", body: Array(ten[..<9]))),
    Answer("no range", .storageFailed, .response(206, body: ten)),
    Answer("no total", .storageFailed, .part("bytes 100-109/*", body: ten)),
    Answer("numbers without end", .storageFailed, .part("bytes 100-109/99999999999999999999", body: ten)),
    Answer("nonsense", .storageFailed, .part("bytes -/", body: ten)),
    Answer("everything", .storageFailed, .response(200, body: [UInt8](repeating: 1, count: 5000))),
    Answer("nothing", .storageFailed, .response(204)),
    Answer("too few bytes", .storageFailed, .part("bytes 100-109/5000", body: Array(ten[..<9]))),
    Answer("too many bytes", .storageFailed, .part("bytes 100-109/5000", body: ten + ten)),
    Answer(
      "a body that breaks off", .storageFailed,
      Reply.response(206, ["Content-Range": "bytes 100-109/5000", "Content-Length": "10"], body: [1]).then(.close)),
    Answer(
      "chunks that break off", .storageFailed,
      Reply.chunked(206, ["Content-Range": "bytes 100-109/5000"], pieces: [[1]], isComplete: false).then(.close)),
    Answer(
      "a body without end", .storageFailed,
      .chunked(
        206, ["Content-Range": "bytes 100-109/5000"],
        pieces: Array(repeating: [UInt8](repeating: 1, count: 64 << 10), count: 1000))),
    Answer(
      "an error without end", .storageFailed,
      .chunked(500, pieces: Array(repeating: [UInt8](repeating: 0x3C, count: 64 << 10), count: 1000))),
    Answer("no HTTP", .storageFailed, Reply([.send(Array("SSH-2.0-OpenSSH\r\n".utf8)), .close])),
    Answer("refused", .storageFailed, .refusal(403, "AccessDenied")),
    Answer("too busy", .storageFailed, .refusal(503, "SlowDown")),
  ]

  @Test(arguments: wrongAnswers)
  func `an answer that is not the requested range is rejected`(answer: Answer) async throws {
    try await ScriptedStore.run { request, _ in
      request.method == "HEAD" ? .head("5000") : answer.reply
    } _: { scripted, _ in
      let object = try await scripted.store.open(anyName)
      #expect(await failure { try await object.read(at: 100, limit: 10) } == answer.code)
      // The next open does not use cached metadata.
      let asked = scripted.calls.count
      _ = try await scripted.store.open(anyName)
      #expect(scripted.calls.dropFirst(asked).map { $0.prefix(4) } == ["HEAD"])
    }
  }

  @Test func `a service that ignores ranges can be read when the range is the whole object`() async throws {
    try await ScriptedStore.run { request, _ in
      request.method == "HEAD" ? .head("10") : .response(200, body: Self.ten)
    } _: { scripted, _ in
      let object = try await scripted.store.open(anyName)
      #expect(try await object.bytes(0, 100) == Self.ten)
    }
  }

  @Test(arguments: [
    Reply.response(200, ["ETag": "\"e\"", "Transfer-Encoding": "chunked"]), .head("10", etag: nil),
    .head("10", etag: ""),
    .head("99999999999999999999"), .head("-1"),
  ])
  func `metadata without a length or an ETag is rejected`(reply: Reply) async throws {
    try await ScriptedStore.run { request, _ in
      request.method == "HEAD" ? reply : .part("bytes 0-0/10", body: [1])
    } _: { scripted, _ in
      #expect(await failure { try await scripted.store.open(anyName) } == .storageFailed)
    }
  }

  @Test func `a missing object is distinguished from a missing bucket, although HEAD does not say`() async throws {
    for (code, expected) in [("NoSuchKey", TapedeckError.Code.objectMissing), ("NoSuchBucket", .storageFailed)] {
      try await ScriptedStore.run { request, _ in
        request.method == "HEAD" ? .response(404) : .refusal(404, code)
      } _: { scripted, _ in
        #expect(await failure { try await scripted.store.open(anyName) } == expected)
      }
    }
  }

  // MARK: The whole object

  @Test func `the content of an object is read with one request`() async throws {
    try await ScriptedStore.run { request, _ in
      .response(200, body: [1, 2, 3])
    } _: { scripted, _ in
      let found = try await scripted.store.content(of: anyName)
      #expect(try found.hash == TestObject([1, 2, 3]).hash)
      #expect(found.bytes == 3)
      #expect(scripted.calls.count == 1)
    }
  }

  @Test func `an object whose bytes break off has no content`() async throws {
    for reply in [
      Reply.response(200, ["Content-Length": "10"], body: [1, 2, 3]).then(.close),
      Reply.chunked(200, pieces: [[1, 2, 3]], isComplete: false).then(.close),
      Reply.chunked(200, pieces: [[1, 2, 3]], isComplete: false).then(.reset),
    ] {
      try await ScriptedStore.run { _, _ in
        reply
      } _: { scripted, _ in
        #expect(await failure { try await scripted.store.content(of: anyName) } == .storageFailed)
      }
    }
  }
}
