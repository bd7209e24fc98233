import Foundation
import Hummingbird
import Model
import Sandbox
import TestKit
import Testing

@Suite struct FaultTests {
  private static let id = "codec-pcm-stereo"

  /// A tenant with these faults, a token, and the file to download.
  private func with(
    _ rules: [FaultRule], system: SystemServices = .system,
    _ body: @Sendable (RunningTenant, String, SandboxAudio) async throws -> Void
  ) async throws {
    try await RunningTenant.run(system: system) { running in
      let token = try await running.token()
      let audio = try #require(await running.tenant.audio(of: FaultTests.id))
      for rule in rules { running.tenant.faults.add(rule) }
      try await body(running, token, audio)
    }
  }

  @Test func `429 has a delay in seconds, a date, or neither`() async throws {
    let clock = TestClock()
    try await with(
      [
        FaultRule(.rateLimited, endpoint: .metadata, times: 1, retryAfter: "2"),
        FaultRule(.rateLimited, endpoint: .metadata, times: 1, retryAfter: "date:5"),
        FaultRule(.rateLimited, endpoint: .metadata, times: 1),
      ], system: clock.system
    ) { running, token, _ in
      var headers: [String?] = []
      for _ in 0..<3 {
        let answer = try await running.get(RunningTenant.path(FaultTests.id), token: token)
        #expect(answer.status == 429)
        headers.append(answer.header("Retry-After"))
      }
      #expect(headers[0] == "2")
      let date = try #require(headers[1])
      #expect(HTTPDate.parse(date, now: clock.now) == clock.now + .seconds(5), "\(date)")
      #expect(headers[2] == nil)
      #expect(try await running.get(RunningTenant.path(FaultTests.id), token: token).status == 200)
    }
  }

  @Test(arguments: [
    (FaultRule(.serverError, times: 1), 500), (FaultRule(.serverError, times: 1, status: 503), 503),
    (FaultRule(.expiredToken, times: 1), 401), (FaultRule(.scopeMissing, times: 1), 403),
    (FaultRule(.privacyRefused, times: 1), 403), (FaultRule(.gone, times: 1), 404),
  ])
  func `a refusal with one use happens once`(rule: FaultRule, status: Int) async throws {
    try await with([rule]) { running, token, _ in
      let refused = try await running.download(FaultTests.id, token: token)
      #expect(refused.status == status)
      #expect(try await running.download(FaultTests.id, token: token).status == 206)
      #expect(running.tenant.faults.rules.isEmpty)
    }
  }

  @Test func `a rule applies only to its recording and endpoint`() async throws {
    try await with([FaultRule(.serverError, recording: FaultTests.id, endpoint: .download, times: 1)]) {
      running, token, _ in
      let other = try await running.download("codec-gsm", token: token)
      #expect(other.status == 206)
      #expect(try await running.get(RunningTenant.path(FaultTests.id), token: token).status == 200)
      #expect(try await running.download(FaultTests.id, token: token).status == 500)
    }
  }

  @Test func `a cut breaks the connection, and the rest can be fetched`() async throws {
    try await with([FaultRule(.cut, times: 1, afterBytes: 300_001)]) { running, token, audio in
      let first = try await running.download(FaultTests.id, token: token)
      #expect(first.status == 206)
      #expect(first.broken != nil)
      // The client may drop bytes that it has not yet delivered when the connection breaks.
      #expect(first.body == audio.read(0..<first.body.count) && first.body.count <= 300_001)
      let rest = try await running.download(
        FaultTests.id, from: first.body.count, ifRange: audio.entityTag, token: token)
      #expect(rest.broken == nil)
      #expect(first.body + rest.body == audio.read(0..<audio.totalBytes))
    }
  }

  @Test(arguments: [0, 1, 300_001, Int.max])
  func `a cut sends exactly its bytes and no last chunk`(afterBytes: Int) async throws {
    try await with([FaultRule(.cut, times: 1, afterBytes: afterBytes)]) { running, token, audio in
      let request = """
        GET \(RunningTenant.path(FaultTests.id))/download HTTP/1.1\r
        Host: 127.0.0.1\r
        Authorization: Bearer \(token)\r
        Range: bytes=0-\r
        \r

        """
      let received = try await RawConnection.exchange(port: running.port, request: request)
      let (head, chunks) = try #require(split(received))
      #expect(head.hasPrefix("HTTP/1.1 206 "))
      #expect(head.lowercased().contains("transfer-encoding: chunked"))
      let body = try #require(unchunked(chunks))
      #expect(body.bytes == audio.read(0..<min(afterBytes, audio.totalBytes)))
      #expect(!body.isComplete)
    }
  }

  private func split(_ received: [UInt8]) -> (head: String, rest: ArraySlice<UInt8>)? {
    guard let end = received.firstRange(of: Array("\r\n\r\n".utf8)) else { return nil }
    return (String(decoding: received[..<end.lowerBound], as: UTF8.self), received[end.upperBound...])
  }

  private func unchunked(_ chunks: ArraySlice<UInt8>) -> (bytes: [UInt8], isComplete: Bool)? {
    var rest = chunks
    var bytes: [UInt8] = []
    while let end = rest.firstRange(of: Array("\r\n".utf8)) {
      guard let size = Int(String(decoding: rest[..<end.lowerBound], as: UTF8.self), radix: 16) else { return nil }
      if size == 0 { return (bytes, true) }
      let chunk = rest[end.upperBound...].prefix(size)
      bytes += chunk
      rest = rest[end.upperBound...].dropFirst(size + 2)
    }
    return (bytes, false)
  }

  @Test func `a changed file has another tag, other bytes and another size`() async throws {
    try await with([FaultRule(.changedFile, times: 1, afterBytes: 100_000)]) { running, token, audio in
      let first = try await running.download(FaultTests.id, token: token)
      #expect(first.broken != nil)
      let resumed = try await running.download(FaultTests.id, from: 100_000, ifRange: audio.entityTag, token: token)
      let changed = try #require(await running.tenant.audio(of: FaultTests.id))
      #expect(resumed.status == 200)
      #expect(changed.entityTag != audio.entityTag)
      #expect(changed.totalBytes == audio.totalBytes + 32_000)
      #expect(resumed.body == changed.read(0..<changed.totalBytes))
      #expect(!resumed.body.starts(with: audio.read(0..<100_000)))
      let blind = try await running.download(FaultTests.id, from: 100_000, token: token)
      #expect(blind.status == 206)
      #expect(blind.header("ETag") == changed.entityTag)
    }
  }

  @Test func `a stalled body stops until the client disconnects`() async throws {
    try await with([FaultRule(.stalledBody, times: 1, afterBytes: 70_000)]) { running, token, audio in
      let answer = try await running.download(FaultTests.id, token: token, stopAfter: 70_000)
      #expect(answer.body == audio.read(0..<70_000))
      // The stall of 600 seconds ends with the connection.
      while running.tenant.statistics.snapshot.downloadsInFlight > 0 { await Task.yield() }
    }
  }

  @Test func `a stall with a duration closes the connection afterwards`() async throws {
    try await with(
      [FaultRule(.stalledBody, times: 1, afterBytes: 10, delay: 30)], system: TestClock().system
    ) { running, token, _ in
      let answer = try await running.download(FaultTests.id, token: token)
      #expect(answer.body.count <= 10)
      #expect(answer.broken != nil)
    }
  }

  @Test func `a server without ranges sends everything without a length, and can be cut too`() async throws {
    try await with([FaultRule(.noRanges), FaultRule(.cut, times: 1, afterBytes: 5)]) { running, token, audio in
      let cut = try await running.download(FaultTests.id, from: 0, token: token)
      #expect(cut.status == 200)
      #expect(cut.body.count <= 5)
      #expect(cut.broken != nil)
      let whole = try await running.download(FaultTests.id, from: 5, token: token)
      #expect(whole.status == 200)
      #expect(whole.header("Content-Length") == nil)
      #expect(whole.header("Accept-Ranges") == nil)
      #expect(whole.body == audio.read(0..<audio.totalBytes))
    }
  }

  @Test func `Content-Range can be missing from the first response`() async throws {
    try await with([FaultRule(.strippedContentRange)]) { running, token, audio in
      let answer = try await running.download(FaultTests.id, token: token)
      #expect(answer.status == 206)
      #expect(answer.header("Content-Range") == nil)
      #expect(try await running.download(FaultTests.id, from: nil, token: token).status == 200)
      let later = try await running.download(FaultTests.id, from: 10, token: token)
      #expect(later.header("Content-Range") == "bytes 10-\(audio.totalBytes - 1)/\(audio.totalBytes)")
    }
  }

  @Test func `a later range can start elsewhere, change its tag or lack its Content-Range`() async throws {
    func later(_ fault: FaultRule.Fault, _ check: @Sendable (RunningTenant.Answer, SandboxAudio) -> Void) async throws {
      try await with([FaultRule(fault, times: 1)]) { running, token, audio in
        #expect(try await running.download(FaultTests.id, from: 0, token: token).body.count == audio.totalBytes)
        let answer = try await running.download(FaultTests.id, from: 5000, ifRange: audio.entityTag, token: token)
        #expect(answer.status == 206, "\(fault)")
        check(answer, audio)
        #expect(running.tenant.faults.rules.isEmpty)
      }
    }
    try await later(.wrongStart) { answer, audio in
      #expect(answer.header("Content-Range")?.hasPrefix("bytes 6000-") == true)
      #expect(answer.body == audio.read(6000..<audio.totalBytes))
    }
    try await later(.earlyStart) { answer, audio in
      #expect(answer.header("Content-Range")?.hasPrefix("bytes 4000-") == true)
      #expect(answer.body == audio.read(4000..<audio.totalBytes))
    }
    try await later(.noContentRangeResume) { answer, _ in
      #expect(answer.header("Content-Range") == nil)
    }
    try await later(.brokenContentRange) { answer, _ in
      #expect(answer.header("Content-Range")?.hasSuffix("/x") == true)
    }
    try await later(.wrongETag) { answer, audio in
      #expect(answer.header("ETag") != audio.entityTag)
      #expect(answer.header("ETag")?.hasPrefix("\"") == true)
      #expect(answer.body == audio.read(5000..<audio.totalBytes))
    }
  }

  @Test func `the tag can be weak or missing, and a body can be declared compressed`() async throws {
    try await with([
      FaultRule(.weakETag, times: 1), FaultRule(.noETag, times: 1), FaultRule(.contentEncoding, times: 1),
    ]) {
      running, token, audio in
      let weak = try await running.download(FaultTests.id, token: token)
      #expect(weak.header("ETag") == "W/\(audio.entityTag)")
      #expect(try await running.download(FaultTests.id, token: token).header("ETag") == nil)
      let coded = try await running.download(FaultTests.id, token: token)
      #expect(coded.header("Content-Encoding") == "gzip")
    }
  }

  @Test(arguments: [
    ("html", "text/html", "<html>"), ("json", "application/json", "{"), ("html-as-audio", "audio/wav", "<html>"),
    ("json-as-audio", "audio/wav", "{"),
  ])
  func `an error page is sent instead of audio`(variant: String, type: String, start: String) async throws {
    try await with([FaultRule(.errorPage, times: 1, variant: variant)]) { running, token, _ in
      let answer = try await running.download(FaultTests.id, token: token)
      #expect(answer.status == 200)
      #expect(answer.header("Content-Type") == type)
      #expect(answer.text.hasPrefix(start))
    }
  }

  @Test func `a file can be a header only`() async throws {
    try await with([
      FaultRule(.headerOnly, times: 1), FaultRule(.headerOnly, times: 1, variant: "claims-data"),
    ]) { running, token, _ in
      let empty = try await running.download(FaultTests.id, token: token)
      #expect(empty.header("Content-Range") == "bytes 0-43/44")
      #expect(Array(empty.body.suffix(4)) == [0, 0, 0, 0])
      let claiming = try await running.download(FaultTests.id, token: token)
      #expect(claiming.body.count == 44)
      #expect(Array(claiming.body.suffix(4)) != [0, 0, 0, 0])
    }
  }

  @Test func `a truncated file is framed as if it were complete`() async throws {
    try await with([FaultRule(.cutShort, times: 1, afterBytes: 400_000)]) { running, token, audio in
      let answer = try await running.download(FaultTests.id, token: token)
      #expect(answer.header("Content-Range") == "bytes 0-399999/400000")
      #expect(answer.broken == nil)
      #expect(answer.body == audio.read(0..<400_000))
    }
  }

  @Test func `a playlist can have an audio media type`() async throws {
    try await with([FaultRule(.playlist, times: 1)]) { running, token, _ in
      let answer = try await running.download(FaultTests.id, token: token)
      #expect(answer.header("Content-Type") == "audio/wav")
      #expect(answer.text.hasPrefix("#EXTM3U"))
    }
  }

  @Test func `a slow body and a delayed response last as long as configured`() async throws {
    let clock = TestClock()
    try await with(
      [FaultRule(.slow, times: 1, bytesPerSecond: 80_000), FaultRule(.delayed, times: 1, delay: 7)],
      system: clock.system
    ) { running, token, audio in
      let before = clock.now
      let answer = try await running.download(FaultTests.id, token: token)
      #expect(answer.body == audio.read(0..<audio.totalBytes))
      #expect(clock.now - before >= .seconds(7 + audio.totalBytes / 80_000))
    }
  }

  @Test func `metadata can temporarily report an available recording as processing`() async throws {
    try await with([FaultRule(.statusFlap, times: 1)]) { running, token, _ in
      let path = RunningTenant.path(FaultTests.id)
      let early = try await running.get(path, token: token)
      #expect(try early.json()["status"] as? String == "processing")
      #expect(try await running.get(path, token: token).json()["status"] as? String == "available")
    }
  }

  @Test func `faults are added, listed and removed over HTTP`() async throws {
    try await with([]) { running, token, _ in
      let rule = #"{"fault": "server-error", "recording": "*", "endpoint": "download", "times": 2, "retryAfter": null}"#
      #expect(try await running.request("POST", "/sandbox/faults", body: rule).status == 201)
      #expect(try await running.download(FaultTests.id, token: token).status == 500)
      let shown = try await running.request("GET", "/sandbox/faults").text
      #expect(shown == #"{"faults":[{"endpoint":"download","fault":"server-error","times":1}]}"#)
      #expect(try await running.request("DELETE", "/sandbox/faults").status == 204)
      #expect(try await running.download(FaultTests.id, token: token).status == 206)
      for wrong in [#"{"fault": "nonsense"}"#, #"{"fault": "cut", "afterBytes": -1}"#, "x"] {
        #expect(try await running.request("POST", "/sandbox/faults", body: wrong).status == 400)
      }
      let page = try await running.request(
        "POST", "/sandbox/faults", headers: [("Origin", "https://example.com")], body: rule)
      #expect(page.status == 403)
    }
  }

  @Test func `a slow body is sent at full speed when the faults are cleared`() async throws {
    try await with([FaultRule(.slow, bytesPerSecond: 1000)]) { running, token, audio in
      async let download = running.download(FaultTests.id, token: token)
      while running.tenant.statistics.snapshot.recent.last?.bytesSent ?? 0 == 0 { await Task.yield() }
      running.tenant.faults.clear()
      let answer = try await download
      #expect(answer.body == audio.read(0..<audio.totalBytes))
    }
  }

  @Test func `a reset restores faults, limit, files and statistics, and keeps tokens valid`() async throws {
    let configure: @Sendable (inout SandboxConfiguration) -> Void = {
      $0.faults = [FaultRule(.serverError, endpoint: .download, times: 1)]
      $0.processingTime = .zero
    }
    try await RunningTenant.run(configure) { running in
      let token = try await running.token()
      let original = try #require(await running.tenant.audio(of: FaultTests.id)).entityTag
      running.tenant.faults.clear()
      running.tenant.faults.add(FaultRule(.changedFile, times: 1, afterBytes: 0))
      _ = try await running.download(FaultTests.id, token: token)
      #expect(await running.tenant.audio(of: FaultTests.id)?.entityTag != original)
      let limit = #"{"rate": 0.001, "burst": 1}"#
      #expect(try await running.request("PUT", "/sandbox/limit", body: limit).status == 200)

      #expect(try await running.request("POST", "/sandbox/reset").status == 204)
      #expect(running.tenant.statistics.snapshot.recent.isEmpty && running.tenant.statistics.snapshot.endpoints.isEmpty)
      #expect(running.tenant.limit.terms == nil)
      #expect(await running.tenant.audio(of: FaultTests.id)?.entityTag == original)
      #expect(try await running.download(FaultTests.id, token: token).status == 500)
      #expect(try await running.download(FaultTests.id, token: token).status == 206)
      let page = try await running.request("POST", "/sandbox/reset", headers: [("Origin", "https://example.com")])
      #expect(page.status == 403)
    }
  }

  @Test func `rules are read from the command line`() throws {
    let cut = try FaultRule(argument: "cut,recording=bench-3min-01,times=1,afterBytes=1000")
    #expect(cut == FaultRule(.cut, recording: "bench-3min-01", times: 1, afterBytes: 1000))
    #expect(try FaultRule(argument: "slow") == FaultRule(.slow))
    #expect(try FaultRule(argument: #"{"fault": "gone", "times": 3}"#) == FaultRule(.gone, times: 3))
    for wrong in ["", "nonsense", "cut,afterBytes=x", "cut,times=0", "cut,colour=red", "{}"] {
      #expect {
        _ = try FaultRule(argument: wrong)
      } throws: {
        ($0 as? TapedeckError)?.code == .usage
      }
    }
  }
}
