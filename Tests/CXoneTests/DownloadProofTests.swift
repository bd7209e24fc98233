import CXone
import Model
import TestKit
import Testing

/// What proves that a file is whole and one file, and what only looks like it.
@Suite(.timeLimit(.minutes(1))) struct DownloadProofTests {
  private let whole = file(200_000)
  private let range = "bytes 0-199999/200000"

  private func raw(_ head: String, _ body: [UInt8] = []) -> ScriptedServer.Reply {
    .init([.send(Array(head.utf8) + body)])
  }

  @Test(arguments: ["HTTP/1.0 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"])
  func `a body that ends with its connection is taken, and its length stays unproved`(head: String) async throws {
    try await Tenant.run { _, _ in
      raw(head, whole).then(.close)
    } _: { tenant in
      let sink = MemorySink()
      let state = try await tenant.download(into: sink)
      #expect(state == DownloadState(isResumable: false))
      #expect(sink.bytes == whole)
    }
  }

  @Test func `an error that was printed into a body that ended in order is found by comparison`() async throws {
    try await Tenant.run { request, number in
      guard number == 0 else { return DownloadTests.serve(whole, to: request) }
      return .chunked(
        206, ["Content-Range": range, "ETag": "\"v1\""], pieces: [whole[..<90_000] + Array("upstream timed out".utf8)])
    } _: { tenant in
      let sink = MemorySink()
      #expect(await failure { _ = try await tenant.download(into: sink) }?.code == .downloadInterrupted)
      #expect(sink.bytes.count == 90_018)
      guard case .state(let kept) = sink.events.last(where: { if case .state = $0 { true } else { false } }) else {
        Issue.record("no state was kept")
        return
      }
      #expect(kept == DownloadState(mark: VersionMark(tag: "\"v1\""), totalBytes: 200_000))
      _ = try await tenant.download(kept, into: sink)
      #expect(sink.bytes == whole)
      #expect(tenant.calls.map { $0.header("Range") } == ["bytes=0-", "bytes=\(90_018 - 65_536)-", "bytes=0-"])
    }
  }

  @Test func `an overlap that ends before all of it was compared proves nothing, even when every byte is held`()
    async throws
  {
    try await Tenant.run { _, _ in
      .chunked(206, ["Content-Range": "bytes 134464-199999/200000"], pieces: [Array(whole[134_464..<150_000])])
    } _: { tenant in
      let sink = MemorySink(whole)
      let error = await failure { _ = try await tenant.download(DownloadState(totalBytes: 200_000), into: sink) }
      #expect(error?.code == .notAWholeRecording)
    }
  }

  @Test func `a platform that sends the same beginning whatever is asked for is not asked for ever`() async throws {
    try await Tenant.run { _, number in
      // Ends what would be a loop.
      guard number < 20 else { return .response(404) }
      return .response(206, ["Content-Range": "bytes 0-65535/200000", "ETag": "\"v1\""], body: Array(whole[..<65_536]))
    } _: { tenant in
      let sink = MemorySink()
      let error = await failure { _ = try await tenant.download(into: sink) }
      #expect(error?.code == .notAWholeRecording)
      #expect(error?.message == "The platform announces more of this recording than it sends.")
      #expect(tenant.calls.map { $0.header("Range") } == ["bytes=0-", "bytes=65536-"])
      #expect(sink.bytes == Array(whole[..<65_536]))
    }
  }

  @Test func `a platform that sends a little more than what was cut away is gone on with`() async throws {
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

  @Test func `a whole body in chunks must be as long as its Content-Range says`() async throws {
    try await Tenant.run { _, number in
      .chunked(200, ["Content-Range": range], pieces: [number == 0 ? Array(whole[..<90_000]) : whole])
    } _: { tenant in
      let error = await failure { _ = try await tenant.download(into: MemorySink()) }
      #expect(error?.code == .notAWholeRecording)
      let sink = MemorySink()
      let state = try await tenant.download(into: sink)
      #expect(sink.bytes == whole)
      #expect(state.totalBytes == 200_000)
    }
  }

  @Test func `a body without an end is given up at the limit`() async throws {
    var options = Tenant.Options()
    options.largestRecording = 1_000_000
    try await Tenant.run(options) { _, _ in
      .init([.send(Array("HTTP/1.1 200 OK\r\n\r\n".utf8)), .sendForever(whole)])
    } _: { tenant in
      let sink = MemorySink()
      let error = await failure { _ = try await tenant.download(into: sink) }
      #expect(error?.code == .notAWholeRecording)
      #expect(error?.message == "The platform sends more for this recording than any recording has.")
      #expect(sink.bytes.count <= 1_000_000)
    }
  }

  @Test func `a total beyond the limit is refused before a byte of it is taken`() async throws {
    try await Tenant.run { _, _ in
      .chunked(206, ["Content-Range": "bytes 0-9223372036854775805/9223372036854775806"], pieces: [whole])
    } _: { tenant in
      let sink = MemorySink()
      #expect(await failure { _ = try await tenant.download(into: sink) }?.code == .notAWholeRecording)
      #expect(sink.bytes == [])
    }
  }

  @Test func `a switch of protocols is no answer`() async throws {
    try await Tenant.run { _, _ in
      raw("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n")
    } _: { tenant in
      #expect(await failure { _ = try await tenant.download(into: MemorySink()) }?.code == .platformProtocol)
    }
  }

  @Test(arguments: [true, false])
  func `the log says in plain words how a connection ended`(isReset: Bool) async throws {
    try await Tenant.run { _, _ in
      DownloadTests.serve(whole, from: 0, cutAt: 100_000).then(.pause(.milliseconds(20)), isReset ? .reset : .close)
    } _: { tenant in
      let error = await failure { _ = try await tenant.download(into: MemorySink()) }
      #expect(
        error?.detail == "the connection was \(isReset ? "reset" : "closed") before the end of the answer")
    }
  }
}
