import CXone
import Logging
import Model
import NIOCore
import TestKit
import Testing

@Suite(.timeLimit(.minutes(1))) struct MediaDownloadTests {
  private static let sound = file(200_000)
  private static let tag = "\"v1\""

  /// The part of a file that a request asks for, as a media host sends it.
  private static func range(
    _ request: ScriptedServer.Request, of bytes: [UInt8] = MediaDownloadTests.sound,
    tag: String = MediaDownloadTests.tag, stopAfter: Int? = nil
  ) -> ScriptedServer.Reply {
    let start = request.header("Range").flatMap { Int($0.dropFirst(6).dropLast()) } ?? 0
    let headers = [
      "Content-Range": "bytes \(start)-\(bytes.count - 1)/\(bytes.count)", "ETag": tag, "Content-Type": "video/mp4",
      "Content-Length": "\(bytes.count - start)",
    ]
    let body = Array(bytes[start...])
    guard let stopAfter else { return .response(206, headers, body: body) }
    return .response(206, headers, body: Array(body.prefix(stopAfter))).then(.close)
  }

  /// An address on the media host with a number, which stands for its signature.
  private static func address(_ host: String, _ number: Int) -> String {
    "\(host)/media/1?X-Amz-Expires=300&X-Amz-Signature=canarysignature\(number)"
  }

  private static func number(_ request: ScriptedServer.Request) -> Int {
    request.target.firstRange(of: "canarysignature").flatMap { Int(request.target[$0.upperBound...]) } ?? -1
  }

  private func run<Output: Sendable>(
    _ options: MediaTenant.Options = .init(),
    media: @escaping @Sendable (ScriptedServer.Request, Int) async -> ScriptedServer.Reply,
    _ body: (MediaTenant) async throws -> Output
  ) async throws -> Output {
    try await MediaTenant.run(
      options, answer: { _, number, host in mediaAnswer(Self.address(host, number)) }, media: media, body)
  }

  @Test func `media is downloaded without the token`() async throws {
    try await run { request, _ in
      Self.range(request)
    } _: { tenant in
      let sink = MemorySink()
      let state = try await tenant.download(into: sink)
      #expect(sink.bytes == Self.sound)
      #expect(state == DownloadState(etag: Self.tag, totalBytes: 200_000))
      #expect(tenant.mediaRequests.count == 1 && tenant.media.requests.count == 1)
      for request in tenant.media.requests {
        #expect(request.header("Authorization") == nil)
        #expect(!request.headers.contains { $0.value.contains("canary0") })
      }
    }
  }

  @Test func `locating and downloading take one request of the budget`() async throws {
    try await run { request, _ in
      Self.range(request)
    } _: { tenant in
      #expect(try await tenant.source.locate(callID).availability == .available)
      _ = try await tenant.download(into: MemorySink())
      #expect(tenant.mediaRequests.count == 1)
    }
  }

  @Test func `an address is dropped when its media is complete`() async throws {
    try await run { request, _ in
      Self.range(request)
    } _: { tenant in
      _ = try await tenant.download(into: MemorySink())
      _ = try await tenant.download(into: MemorySink())
      #expect(tenant.mediaRequests.count == 2)
    }
  }

  @Test func `a broken download goes on at the same address`() async throws {
    try await run { request, number in
      Self.range(request, stopAfter: number == 0 ? 120_000 : nil)
    } _: { tenant in
      let sink = MemorySink()
      let error = await failure { _ = try await tenant.download(into: sink) }
      #expect(error?.code == .downloadInterrupted)
      // The connection may close before the last bytes are read.
      let held = sink.bytes.count
      #expect((1...120_000).contains(held))
      _ = try await tenant.download(callID, DownloadState(etag: Self.tag, totalBytes: 200_000), into: sink)
      #expect(sink.bytes == Self.sound)
      #expect(tenant.mediaRequests.count == 1)
      #expect(tenant.media.requests.map { Self.number($0) } == [0, 0])
      #expect(tenant.media.requests.last?.header("Range") == "bytes=\(held)-")
      #expect(tenant.media.requests.last?.header("If-Range") == Self.tag)
    }
  }

  @Test func `after 403 the media is located again, and the download goes on from the last byte`() async throws {
    try await run { request, _ in
      Self.number(request) == 0 ? .response(403) : Self.range(request)
    } _: { tenant in
      let sink = MemorySink(Array(Self.sound.prefix(120_000)))
      _ = try await tenant.download(callID, DownloadState(etag: Self.tag, totalBytes: 200_000), into: sink)
      #expect(sink.bytes == Self.sound)
      #expect(!sink.events.contains(.cut(0)))
      #expect(tenant.mediaRequests.count == 2)
      #expect(tenant.media.requests.map { $0.header("Range") } == ["bytes=120000-", "bytes=120000-"])
    }
  }

  @Test func `another file at the new address is downloaded from its first byte`() async throws {
    let other = file(180_000, version: 7)
    try await run { request, _ in
      Self.number(request) == 0 ? .response(403) : Self.range(request, of: other, tag: "\"v2\"")
    } _: { tenant in
      let sink = MemorySink(Array(Self.sound.prefix(120_000)))
      _ = try await tenant.download(callID, DownloadState(etag: Self.tag, totalBytes: 200_000), into: sink)
      #expect(sink.bytes == other)
    }
  }

  @Test func `a new address that is refused ends the attempt`() async throws {
    try await run { _, _ in
      .response(403)
    } _: { tenant in
      let error = await failure { _ = try await tenant.download(into: MemorySink()) }
      #expect(error?.code == .platformUnavailable)
      #expect(tenant.mediaRequests.count == 2)
    }
  }

  @Test(arguments: [404, 410, 500, 503])
  func `another refusal does not locate the media again`(status: Int) async throws {
    try await run { _, _ in
      .response(status)
    } _: { tenant in
      let error = await failure { _ = try await tenant.download(into: MemorySink()) }
      #expect(error?.code == (status < 500 ? .notYetAvailable : .platformUnavailable))
      #expect(tenant.mediaRequests.count == 1)
      // The address of a file that is gone is not used again; that of a host that is down is.
      #expect(tenant.source.isLocated(PartLocator(callID)) == (status >= 500))
    }
  }

  @Test func `media that is gone when it is to be downloaded is asked for again later`() async throws {
    try await MediaTenant.run { _, _, _ in
      .response(404)
    } _: { tenant in
      #expect(await failure { _ = try await tenant.download(into: MemorySink()) }?.code == .notYetAvailable)
    }
  }

  // MARK: Hosts

  @Test func `a host that is not allowed gets no request`() async throws {
    var options = MediaTenant.Options()
    options.mediaHosts = ["media.example"]
    try await run(options) { request, _ in
      Self.range(request)
    } _: { tenant in
      let error = await failure { _ = try await tenant.download(into: MemorySink()) }
      #expect(error?.code == .platformProtocol)
      #expect(error?.message.contains("CXONE_MEDIA_HOSTS") == true)
      #expect(tenant.media.requests.isEmpty)
    }
  }

  @Test(arguments: [
    "https://evil.example/x?s=1", "https://amazonaws.com.evil.example/x", "http://bucket.s3.amazonaws.com/x",
    "https://user:password@bucket.s3.amazonaws.com/x", "file:///etc/passwd",
  ])
  func `addresses elsewhere are refused`(address: String) async throws {
    try await MediaTenant.run { _, _, _ in
      mediaAnswer(address)
    } _: { tenant in
      let error = await failure { _ = try await tenant.download(into: MemorySink()) }
      #expect(error?.code == .platformProtocol)
      #expect(error?.message.contains("not allowed") == true)
    }
  }

  @Test func `a redirect leads to allowed hosts only`() async throws {
    try await run { request, _ in
      request.target.hasPrefix("/other")
        ? Self.range(request) : .response(302, ["Location": "/other"])
    } _: { tenant in
      let sink = MemorySink()
      _ = try await tenant.download(into: sink)
      #expect(sink.bytes == Self.sound)
    }
    try await run { _, _ in
      .response(302, ["Location": "https://evil.example/x"])
    } _: { tenant in
      #expect(await failure { _ = try await tenant.download(into: MemorySink()) }?.code == .platformProtocol)
    }
  }

  @Test func `no log entry and no error has a signature or a token`() async throws {
    let log = RecordedLog()
    var options = MediaTenant.Options()
    options.logger = log.logger(from: .trace)
    try await run(options) { request, number in
      switch number {
      case 0: Self.range(request, stopAfter: 1000)
      case 1: .response(403)
      case 2: .response(302, ["Location": "https://evil.example/canarysignature"])
      default: .response(500)
      }
    } _: { tenant in
      let sink = MemorySink()
      var texts: [String] = []
      for _ in 0..<4 {
        let error = await failure {
          _ = try await tenant.download(callID, DownloadState(etag: Self.tag, totalBytes: 200_000), into: sink)
        }
        texts.append(error?.description ?? "")
        texts.append(error?.detail ?? "")
        if let cause = error?.cause { texts.append("\(cause)") }
      }
      #expect(tenant.media.requests.count >= 4)
      for level in [Logger.Level.trace, .debug, .info, .notice, .warning, .error] { texts += log.messages(at: level) }
      texts += log.values
      #expect(!texts.isEmpty && !texts.contains { $0.contains("canary") })
    }
  }
}
