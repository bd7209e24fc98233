import CXone
import Model
import TestKit
import Testing

/// What proves that a file is complete and a single version, and what does not.
@Suite(.timeLimit(.minutes(1))) struct DownloadProofTests {
  private let whole = file(200_000)
  private let range = "bytes 0-199999/200000"

  private func raw(_ head: String, _ body: [UInt8] = []) -> ScriptedServer.Reply {
    .init([.send(Array(head.utf8) + body)])
  }

  @Test(arguments: ["HTTP/1.0 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"])
  func `a body that ends with its connection is accepted, but its length is unproven`(head: String) async throws {
    try await Tenant.run { _, _ in
      raw(head, whole).then(.close)
    } _: { tenant in
      let sink = MemorySink()
      let state = try await tenant.download(into: sink)
      #expect(state == DownloadState(isResumable: false))
      #expect(sink.bytes == whole)
    }
  }

  @Test func `an error message inside a cleanly ended body is found by comparison`() async throws {
    try await Tenant.run { request, number in
      guard number == 0 else { return DownloadTests.serve(whole, to: request) }
      return .chunked(
        206, ["Content-Range": range, "ETag": "\"v1\""], pieces: [whole[..<90_000] + Array("upstream timed out".utf8)])
    } _: { tenant in
      let sink = MemorySink()
      #expect(await failure { _ = try await tenant.download(into: sink) }?.code == .downloadInterrupted)
      #expect(sink.bytes.count == 90_018)
      guard case .state(let kept) = sink.events.last(where: { if case .state = $0 { true } else { false } }) else {
        Issue.record("no state was stored")
        return
      }
      #expect(kept == DownloadState(validators: WeakValidators(tag: "\"v1\""), totalBytes: 200_000))
      _ = try await tenant.download(kept, into: sink)
      #expect(sink.bytes == whole)
      #expect(tenant.calls.map { $0.header("Range") } == ["bytes=0-", "bytes=\(90_018 - 65_536)-", "bytes=0-"])
    }
  }

  @Test func `an overlap that ends before all of it was compared proves nothing, even when all bytes are held`()
    async throws
  {
    try await Tenant.run { _, _ in
      .chunked(206, ["Content-Range": "bytes 134464-199999/200000"], pieces: [Array(whole[134_464..<150_000])])
    } _: { tenant in
      let sink = MemorySink(whole)
      let error = await failure { _ = try await tenant.download(DownloadState(totalBytes: 200_000), into: sink) }
      #expect(error?.code == .incompleteRecording)
    }
  }

  @Test func `a platform that ignores ranges and always sends the same beginning is not asked forever`() async throws {
    try await Tenant.run { _, number in
      // Ends what would be an endless loop.
      guard number < 20 else { return .response(404) }
      return .response(206, ["Content-Range": "bytes 0-65535/200000", "ETag": "\"v1\""], body: Array(whole[..<65_536]))
    } _: { tenant in
      let sink = MemorySink()
      let error = await failure { _ = try await tenant.download(into: sink) }
      #expect(error?.code == .incompleteRecording)
      #expect(error?.message == "The platform announces more of this recording than it sends.")
      #expect(tenant.calls.map { $0.header("Range") } == ["bytes=0-", "bytes=65536-"])
      #expect(sink.bytes == Array(whole[..<65_536]))
    }
  }

  @Test func `a download continues when the platform resends cut bytes and a little more`() async throws {
    try await Tenant.run { request, number in
      guard number < 3 else { return .response(404) }
      let count = [65_536, 140_000, 200_000][number]
      return .response(
        206, ["Content-Range": "bytes 0-\(count - 1)/200000", "ETag": "\"v1\""], body: Array(whole[..<count]))
    } _: { tenant in
      let sink = MemorySink()
      _ = try await tenant.download(into: sink)
      #expect(sink.bytes == whole)
    }
  }

  @Test func `a chunked body must be as long as its Content-Range says`() async throws {
    try await Tenant.run { _, number in
      .chunked(200, ["Content-Range": range], pieces: [number == 0 ? Array(whole[..<90_000]) : whole])
    } _: { tenant in
      let error = await failure { _ = try await tenant.download(into: MemorySink()) }
      #expect(error?.code == .incompleteRecording)
      let sink = MemorySink()
      let state = try await tenant.download(into: sink)
      #expect(sink.bytes == whole)
      #expect(state.totalBytes == 200_000)
    }
  }

  @Test func `an endless body ends at the size limit`() async throws {
    var options = Tenant.Options()
    options.maxRecordingBytes = 1_000_000
    try await Tenant.run(options) { _, _ in
      .init([.send(Array("HTTP/1.1 200 OK\r\n\r\n".utf8)), .sendForever(whole)])
    } _: { tenant in
      let sink = MemorySink()
      let error = await failure { _ = try await tenant.download(into: sink) }
      #expect(error?.code == .incompleteRecording)
      #expect(
        error?.message == "The platform sends more data for this recording than the maximum size allows.")
      #expect(sink.bytes.count <= 1_000_000)
    }
  }

  @Test func `a total above the limit is rejected before any byte is taken`() async throws {
    try await Tenant.run { _, _ in
      .chunked(206, ["Content-Range": "bytes 0-9223372036854775805/9223372036854775806"], pieces: [whole])
    } _: { tenant in
      let sink = MemorySink()
      #expect(await failure { _ = try await tenant.download(into: sink) }?.code == .incompleteRecording)
      #expect(sink.bytes == [])
    }
  }

  @Test func `a switch of protocols is rejected`() async throws {
    try await Tenant.run { _, _ in
      raw("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n")
    } _: { tenant in
      #expect(await failure { _ = try await tenant.download(into: MemorySink()) }?.code == .platformProtocol)
    }
  }

  @Test(arguments: [true, false])
  func `the detail says how a connection ended`(isReset: Bool) async throws {
    try await Tenant.run { _, _ in
      // In the pause the client usually reads the bytes; the detail is the same when it does not.
      DownloadTests.serve(whole, from: 0, cutAt: 100_000).then(.pause(.milliseconds(20)), isReset ? .reset : .close)
    } _: { tenant in
      let error = await failure { _ = try await tenant.download(into: MemorySink()) }
      #expect(
        error?.detail == "the connection was \(isReset ? "reset" : "closed") before the end of the response")
    }
  }
}
