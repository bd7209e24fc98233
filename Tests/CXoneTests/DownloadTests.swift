import AsyncHTTPClient
import CXone
import Model
import TestKit
import Testing

@Suite(.timeLimit(.minutes(1))) struct DownloadTests {
  private let whole = file(200_000)

  /// A correct response to any range.
  static func serve(
    _ file: [UInt8], to request: ScriptedServer.Request, tag: String? = "\"v1\"", chunked: Bool = false
  ) -> ScriptedServer.Reply {
    let start = request.header("Range").flatMap { Int($0.dropFirst(6).dropLast()) } ?? 0
    guard start < file.count else { return .response(416, ["Content-Range": "bytes */\(file.count)"]) }
    var headers = ["Content-Range": "bytes \(start)-\(file.count - 1)/\(file.count)", "Content-Type": "audio/wav"]
    headers["ETag"] = tag
    let body = Array(file[start...])
    return chunked ? .chunked(206, headers, pieces: [body]) : .response(206, headers, body: body)
  }

  /// The headers of a correct response from `start`, followed by a truncated body.
  static func serve(_ file: [UInt8], from start: Int, cutAt end: Int, tag: String? = "\"v1\"") -> ScriptedServer.Reply {
    var headers = ["Content-Range": "bytes \(start)-\(file.count - 1)/\(file.count)"]
    headers["Content-Length"] = "\(file.count - start)"
    headers["ETag"] = tag
    return .response(206, headers, body: Array(file[start..<end]))
  }

  @Test func `a download starts at 0 and receives every byte`() async throws {
    try await Tenant.run { request, _ in
      Self.serve(whole, to: request, chunked: true)
    } _: { tenant in
      let sink = MemorySink()
      let state = try await tenant.download(into: sink)
      #expect(sink.bytes == whole)
      #expect(state == DownloadState(etag: "\"v1\"", totalBytes: 200_000))
      // The state is reported before the first byte that it describes.
      #expect(sink.events.first == .state(state))
      let request = try #require(tenant.calls.first)
      #expect(tenant.calls.count == 1)
      #expect(request.target == "/api/v2/recording/rec-1/download")
      #expect(request.header("Range") == "bytes=0-")
      #expect(request.header("If-Range") == nil)
      #expect(request.header("Accept-Encoding") == "identity")
      #expect(request.header("Authorization") == "Bearer token-0")
    }
  }

  @Test func `many small chunks are combined into few writes`() async throws {
    let big = file(1_000_000)
    let clock = TestClock()
    var options = Tenant.Options()
    options.system = clock.system()
    try await Tenant.run(options) { _, _ in
      .chunked(
        206, ["Content-Range": "bytes 0-999999/1000000"],
        pieces: stride(from: 0, to: 1_000_000, by: 1000).map { Array(big[$0..<$0 + 1000]) })
    } _: { tenant in
      let sink = MemorySink()
      _ = try await tenant.download(into: sink)
      #expect(sink.bytes == big)
      #expect(sink.events.count { if case .append = $0 { true } else { false } } <= 4)
    }
  }

  enum Break: CaseIterable { case close, reset, shortChunked }

  @Test(arguments: Break.allCases)
  func `a broken download keeps its bytes and resumes at the last one`(kind: Break) async throws {
    let long = file(600_000)
    let sink = MemorySink()
    let arrived = sink.gate(at: 1)
    var options = Tenant.Options()
    // Time does not advance, so only complete pieces are written before the connection breaks.
    options.system = TestClock().system()
    try await Tenant.run(options) { request, number in
      guard number == 0 else { return Self.serve(long, to: request) }
      let headers = ["Content-Range": "bytes 0-599999/600000", "ETag": "\"v1\""]
      return switch kind {
      case .close: Self.serve(long, from: 0, cutAt: 400_000).then(.wait(arrived), .close)
      case .reset: Self.serve(long, from: 0, cutAt: 400_000).then(.wait(arrived), .reset)
      case .shortChunked:
        .chunked(206, headers, pieces: [Array(long[..<400_000])], isComplete: false).then(.wait(arrived), .close)
      }
    } _: { tenant in
      #expect(await failure { _ = try await tenant.download(into: sink) }?.code == .downloadInterrupted)
      guard case .state(let kept) = sink.events.first else {
        Issue.record("no state was stored")
        return
      }
      // The client drops bytes that it has not yet delivered when the connection ends; one piece is certain.
      let held = sink.bytes.count
      #expect((256 << 10...400_000).contains(held))
      let state = try await tenant.download(kept, into: sink)
      #expect(state == kept)
      #expect(sink.bytes == long)
      #expect(tenant.calls.last?.header("Range") == "bytes=\(held)-")
      #expect(tenant.calls.last?.header("If-Range") == "\"v1\"")
    }
  }

  @Test func `a stalled body ends after the limit, and its bytes are kept`() async throws {
    let clock = TestClock()
    var options = Tenant.Options()
    options.system = clock.system()
    let never = Gate()
    let long = file(600_000)
    try await Tenant.run(options) { _, _ in
      Self.serve(long, from: 0, cutAt: 500_000).then(.wait(never))
    } _: { tenant in
      let sink = MemorySink()
      let download = Task { await failure { _ = try await tenant.download(into: sink) } }
      try await sink.gate(at: 1).wait()
      // The limit counts from the last byte, which may arrive after any step of the clock.
      let time = Task {
        while true {
          try await clock.untilSleeping(1)
          clock.advance(by: .seconds(301))
          await Task.yield()
        }
      }
      let error = await download.value
      time.cancel()
      #expect(error?.code == .downloadInterrupted)
      #expect(sink.bytes == Array(long[..<sink.bytes.count]))
      #expect(sink.bytes.count >= 256 << 10)
    }
  }

  @Test(.timeLimit(.minutes(1)))
  func `a stalled download times out although the clock was set back`() async throws {
    let clock = TestClock()
    var options = Tenant.Options()
    options.system = clock.system()
    let (isAsked, never) = (Gate(), Gate())
    try await Tenant.run(options) { _, _ in
      isAsked.open()
      return ScriptedServer.Reply([.wait(never)])
    } _: { tenant in
      let download = Task { await failure { _ = try await tenant.download(into: MemorySink()) } }
      try await isAsked.wait()
      try await clock.untilSleeping(1)
      clock.jump(by: .seconds(-3600))
      // Twice the limit, because the first wait ends with the detection of the jump.
      for _ in 0..<2 {
        try await clock.untilSleeping(1)
        clock.advance(by: .seconds(300))
      }
      #expect(await download.value?.code == .platformUnavailable)
    }
  }

  @Test func `a changed tag restarts the download at 0`() async throws {
    let changed = file(200_000, version: 7)
    try await Tenant.run { request, _ in
      Self.serve(changed, to: request, tag: "\"v2\"")
    } _: { tenant in
      let sink = MemorySink(Array(whole[..<70_000]))
      let state = try await tenant.download(DownloadState(etag: "\"v1\"", totalBytes: 200_000), into: sink)
      #expect(sink.bytes == changed)
      #expect(state == DownloadState(etag: "\"v2\"", totalBytes: 200_000))
      #expect(tenant.calls.map { $0.header("Range") } == ["bytes=70000-", "bytes=0-"])
    }
  }

  @Test func `a server that ignores ranges sends everything, and the held bytes are dropped`() async throws {
    try await Tenant.run { _, _ in
      .response(200, body: whole)
    } _: { tenant in
      let sink = MemorySink(Array(whole[..<70_000]))
      let state = try await tenant.download(DownloadState(totalBytes: 200_000), into: sink)
      #expect(sink.bytes == whole)
      #expect(state == DownloadState(totalBytes: 200_000, isResumable: false))
      #expect(sink.events.first == .cut(0))
    }
  }

  @Test func `a chunked body without a length ends with its last chunk`() async throws {
    try await Tenant.run { _, _ in
      .chunked(200, pieces: [Array(whole[..<50_000]), Array(whole[50_000...])])
    } _: { tenant in
      let sink = MemorySink()
      let state = try await tenant.download(into: sink)
      #expect(sink.bytes == whole)
      #expect(state == DownloadState(totalBytes: 200_000, isResumable: false))
    }
  }

  @Test func `a file that cannot be resumed restarts at 0 after an interruption`() async throws {
    try await Tenant.run { _, _ in
      .response(200, body: whole)
    } _: { tenant in
      let sink = MemorySink(Array(file(70_000, version: 9)))
      _ = try await tenant.download(DownloadState(totalBytes: 200_000, isResumable: false), into: sink)
      #expect(sink.bytes == whole)
      #expect(tenant.calls.map { $0.header("Range") } == ["bytes=0-"])
    }
  }

  @Test func `a missing Content-Range leads to one request without Range`() async throws {
    try await Tenant.run { request, _ in
      request.header("Range") == nil ? .response(200, body: whole) : .response(206, body: whole)
    } _: { tenant in
      let sink = MemorySink()
      let state = try await tenant.download(into: sink)
      #expect(sink.bytes == whole)
      #expect(!state.isResumable)
      #expect(tenant.calls.map { $0.header("Range") } == ["bytes=0-", nil])
    }
  }

  @Test func `416 with the held length means complete`() async throws {
    try await Tenant.run { request, _ in
      Self.serve(whole, to: request)
    } _: { tenant in
      let sink = MemorySink(whole)
      _ = try await tenant.download(DownloadState(etag: "\"v1\"", totalBytes: 200_000), into: sink)
      #expect(sink.events == [])
      #expect(tenant.calls.count == 1)
    }
  }

  @Test func `416 for a shorter file restarts at 0`() async throws {
    let shorter = file(60_000, version: 3)
    try await Tenant.run { request, _ in
      Self.serve(shorter, to: request, tag: "\"v2\"")
    } _: { tenant in
      let sink = MemorySink(Array(whole[..<70_000]))
      _ = try await tenant.download(DownloadState(etag: "\"v1\"", totalBytes: 200_000), into: sink)
      #expect(sink.bytes == shorter)
    }
  }

  @Test(arguments: [nil, "W/\"v1\""])
  func `without a strong tag the overlap is compared and the rest appended`(tag: String?) async throws {
    try await Tenant.run { request, _ in
      Self.serve(whole, to: request, tag: tag)
    } _: { tenant in
      let sink = MemorySink(Array(whole[..<100_000]))
      let state = try await tenant.download(DownloadState(totalBytes: 200_000), into: sink)
      #expect(sink.bytes == whole)
      #expect(state == DownloadState(totalBytes: 200_000))
      #expect(tenant.calls.map { $0.header("Range") } == ["bytes=34464-"])
      #expect(tenant.calls.first?.header("If-Range") == nil)
      #expect(!sink.events.contains(.cut(0)))
    }
  }

  @Test func `a different overlap restarts at 0`() async throws {
    var changed = whole
    changed[99_999] ^= 1
    let other = changed
    try await Tenant.run { request, _ in
      Self.serve(other, to: request, tag: nil)
    } _: { tenant in
      let sink = MemorySink(Array(whole[..<100_000]))
      _ = try await tenant.download(DownloadState(totalBytes: 200_000), into: sink)
      #expect(sink.bytes == other)
      #expect(sink.events.contains(.cut(0)))
      #expect(tenant.calls.map { $0.header("Range") } == ["bytes=34464-", "bytes=0-"])
    }
  }

  @Test func `complete held bytes without a strong tag are verified by their overlap`() async throws {
    try await Tenant.run { request, _ in
      Self.serve(whole, to: request, tag: nil)
    } _: { tenant in
      let sink = MemorySink(whole)
      _ = try await tenant.download(DownloadState(totalBytes: 200_000), into: sink)
      #expect(sink.events == [])
    }
  }

  @Test func `a server that responds in pieces is asked until the file is complete`() async throws {
    try await Tenant.run { request, _ in
      let start = Int(request.header("Range")?.dropFirst(6).dropLast() ?? "") ?? 0
      let end = min(start + 80_000, 200_000)
      return .response(
        206, ["Content-Range": "bytes \(start)-\(end - 1)/200000", "ETag": "\"v1\""], body: Array(whole[start..<end]))
    } _: { tenant in
      let sink = MemorySink()
      _ = try await tenant.download(into: sink)
      #expect(sink.bytes == whole)
      #expect(tenant.calls.count == 3)
    }
  }

  @Test func `more bytes than announced are rejected, and earlier ones are kept`() async throws {
    var options = Tenant.Options()
    // Time does not advance, and the file is smaller than a piece, so nothing is written before the error.
    options.system = TestClock().system()
    try await Tenant.run(options) { _, _ in
      .chunked(206, ["Content-Range": "bytes 0-199999/200000", "ETag": "\"v1\""], pieces: [whole, [0]])
    } _: { tenant in
      let sink = MemorySink()
      #expect(await failure { _ = try await tenant.download(into: sink) }?.code == .incompleteRecording)
      #expect(sink.bytes == whole)
    }
  }

  @Test func `a body that ends cleanly before its announced end is incomplete`() async throws {
    try await Tenant.run { request, number in
      let headers = { (start: Int) in ["Content-Range": "bytes \(start)-199999/200000", "ETag": "\"v1\""] }
      return number == 0
        ? .chunked(206, headers(0), pieces: [Array(whole[..<90_000])]) : .chunked(206, headers(90_000), pieces: [])
    } _: { tenant in
      let sink = MemorySink()
      let first = await failure { _ = try await tenant.download(into: sink) }
      #expect(first?.code == .downloadInterrupted)
      let state = DownloadState(etag: "\"v1\"", totalBytes: 200_000)
      #expect(await failure { _ = try await tenant.download(state, into: sink) }?.code == .incompleteRecording)
    }
  }

  @Test func `contradicting responses end the download after three restarts`() async throws {
    try await Tenant.run { _, _ in
      .response(206, ["Content-Range": "bytes 5-199999/200000"], body: Array(whole[5...]))
    } _: { tenant in
      let sink = MemorySink()
      #expect(await failure { _ = try await tenant.download(into: sink) }?.code == .incompleteRecording)
      #expect(tenant.calls.count == 4)
      #expect(sink.bytes == [])
    }
  }

  @Test func `a full disk ends the download with the sink's error`() async throws {
    try await Tenant.run { request, _ in
      Self.serve(whole, to: request)
    } _: { tenant in
      let sink = MemorySink(failingWith: TapedeckError(.diskFull))
      #expect(await failure { _ = try await tenant.download(into: sink) }?.code == .diskFull)
    }
  }

  @Test(arguments: [
    (404, TapedeckError.Code.unknownRecording), (403, .platformRefused), (500, .platformUnavailable),
    (503, .platformUnavailable), (429, .platformRateLimited), (400, .platformRefused), (204, .notYetAvailable),
    (202, .notYetAvailable), (409, .notYetAvailable), (423, .notYetAvailable), (425, .notYetAvailable),
  ])
  func `a response without audio is an error and leaves the held bytes unchanged`(
    status: Int, code: TapedeckError.Code
  ) async throws {
    try await Tenant.run { _, _ in
      .response(status, body: status == 204 ? [] : Array("<html>no audio</html>".utf8))
    } _: { tenant in
      let sink = MemorySink(Array(whole[..<100]))
      let state = DownloadState(etag: "\"v1\"", totalBytes: 200_000)
      #expect(await failure { _ = try await tenant.download(state, into: sink) }?.code == code)
      #expect(sink.bytes.count == 100)
      #expect(tenant.calls.count == 1)
    }
  }

  @Test func `a cancelled download ends promptly`() async throws {
    let never = Gate()
    try await Tenant.run { _, _ in
      Self.serve(whole, from: 0, cutAt: 70_000).then(.wait(never))
    } _: { tenant in
      let sink = MemorySink()
      let download = Task { await failure { _ = try await tenant.download(into: sink) } }
      try await until { !tenant.calls.isEmpty }
      download.cancel()
      #expect(await download.value?.code == .interrupted)
    }
  }

  @Test func `no more downloads run in parallel than allowed`() async throws {
    var options = Tenant.Options()
    options.parallelDownloads = 2
    let go = Gate()
    try await Tenant.run(options) { request, _ in
      guard request.target.hasSuffix("/download") else { return .json("{}") }
      var reply = Self.serve(whole, to: request)
      reply.steps.insert(.wait(go), at: 0)
      return reply
    } _: { tenant in
      try await withThrowingTaskGroup(of: [UInt8].self) { group in
        for _ in 0..<6 {
          group.addTask {
            let sink = MemorySink()
            _ = try await tenant.download(into: sink)
            return sink.bytes
          }
        }
        try await until { tenant.calls.count == 2 }
        // A third download would have had time to arrive before this response is sent.
        _ = await failure { _ = try await tenant.source.recording(recordingID) }
        #expect(tenant.calls.count { $0.target.hasSuffix("/download") } == 2)
        go.open()
        for try await bytes in group { #expect(bytes == whole) }
      }
    }
  }

  // MARK: Redirects

  @Test func `a redirect within the origin is followed with the token`() async throws {
    try await Tenant.run { request, _ in
      request.target.hasPrefix("/media")
        ? Self.serve(whole, to: request) : .response(302, ["Location": "/media?signature=x"])
    } _: { tenant in
      let sink = MemorySink(Array(whole[..<70_000]))
      _ = try await tenant.download(DownloadState(etag: "\"v1\"", totalBytes: 200_000), into: sink)
      #expect(sink.bytes == whole)
      let second = try #require(tenant.calls.last)
      #expect(second.target == "/media?signature=x")
      #expect(second.header("Authorization") == "Bearer token-0")
      #expect(second.header("Range") == "bytes=70000-")
      #expect(second.header("If-Range") == "\"v1\"")
    }
  }

  @Test(arguments: [
    "https://elsewhere.example/media", "http://elsewhere.example/media", "ftp://127.0.0.1/media", "", "http://[",
    "http://127.0.0.1:99999/media", "http://127.0.0.1:0/media", "http://127.0.0.1:99999999999999999999/media",
  ])
  func `a redirect to a host that is not allowed is refused`(location: String) async throws {
    try await Tenant.run { _, _ in
      .response(302, ["Location": location.isEmpty ? "https://user:pass@127.0.0.1/" : location])
    } _: { tenant in
      #expect(await failure { _ = try await tenant.download(into: MemorySink()) }?.code == .platformProtocol)
      #expect(tenant.calls.count == 1)
    }
  }

  @Test func `redirects without end are refused`() async throws {
    try await Tenant.run { _, _ in
      .response(302, ["Location": "/again"])
    } _: { tenant in
      #expect(await failure { _ = try await tenant.download(into: MemorySink()) }?.code == .platformProtocol)
      #expect(tenant.calls.count == 4)
    }
  }
}

/// Lets other tasks run until a condition holds; the suite's time limit ends a wait that never succeeds.
func until(_ holds: () -> Bool) async throws {
  while !holds() {
    try Task.checkCancellation()
    await Task.yield()
  }
}
