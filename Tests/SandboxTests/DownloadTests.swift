import Foundation
import Hummingbird
import Model
import Sandbox
import Testing

@Suite struct DownloadTests {
  @Test func `a download in ranges has the bytes of the file`() async throws {
    try await RunningTenant.run { running in
      let token = try await running.token()
      let audio = try #require(await running.tenant.audio(of: "small-01"))
      let first = try await running.download("small-01", token: token, stopAfter: 1_000_000)
      #expect(first.status == 206)
      #expect(first.header("Content-Type") == "audio/wav")
      #expect(first.header("Content-Range") == "bytes 0-5760043/5760044")
      #expect(first.header("Transfer-Encoding") == "chunked")
      #expect(first.header("Content-Length") == nil)
      #expect(first.header("ETag") == audio.entityTag)
      let rest = try await running.download(
        "small-01", from: first.body.count, ifRange: audio.entityTag, token: token)
      #expect(rest.status == 206)
      #expect(rest.broken == nil)
      #expect(first.body + rest.body == audio.read(0..<audio.totalBytes))
    }
  }

  @Test func `without a range the complete file is sent with its length`() async throws {
    try await RunningTenant.run { running in
      let token = try await running.token()
      let answer = try await running.download(FixedRecordings.oddID, from: nil, token: token)
      let audio = try #require(await running.tenant.audio(of: FixedRecordings.oddID))
      #expect(answer.status == 200)
      #expect(answer.header("Content-Length") == String(audio.totalBytes))
      #expect(answer.body == audio.read(0..<audio.totalBytes))
    }
  }

  @Test(arguments: [
    ("bytes=0-0", 206, 0..<1), ("bytes=100-199", 206, 100..<200), ("bytes=-100", 206, 319_944..<320_044),
    ("bytes=-99999999999999999999", 206, 0..<320_044), ("bytes=320000-99999999999999999999", 206, 320_000..<320_044),
    ("bytes=0-1,5-6", 200, 0..<320_044), ("bytes=9-3", 200, 0..<320_044), ("lines=1-2", 200, 0..<320_044),
    ("bytes=x-", 200, 0..<320_044),
  ])
  func `every form of range gives its bytes`(header: String, status: Int, positions: Range<Int>) async throws {
    try await RunningTenant.run { running in
      let token = try await running.token()
      let audio = try #require(await running.tenant.audio(of: "codec-pcm-mono"))
      let answer = try await running.get(
        RunningTenant.path("codec-pcm-mono") + "/download", token: token, headers: [("Range", header)])
      #expect(answer.status == status)
      #expect(answer.body == audio.read(positions))
    }
  }

  @Test(arguments: ["bytes=320044-", "bytes=99999999999999999999-", "bytes=-0"])
  func `a range beyond the end is 416 with the size`(header: String) async throws {
    try await RunningTenant.run { running in
      let token = try await running.token()
      let answer = try await running.get(
        RunningTenant.path("codec-pcm-mono") + "/download", token: token, headers: [("Range", header)])
      #expect(answer.status == 416)
      #expect(answer.header("Content-Range") == "bytes */320044")
    }
  }

  @Test func `another tag in If-Range gives the complete file`() async throws {
    try await RunningTenant.run { running in
      let token = try await running.token()
      let answer = try await running.download("codec-pcm-mono", from: 1000, ifRange: "\"old\"", token: token)
      #expect(answer.status == 200)
      #expect(answer.body.count == 320_044)
    }
  }

  @Test func `the request statistics count and store requests`() async throws {
    try await RunningTenant.run { running in
      let token = try await running.token()
      _ = try await running.get(RunningTenant.path("codec-gsm"), token: token)
      let audio = try #require(await running.tenant.audio(of: "codec-gsm"))
      let half = try await running.download("codec-gsm", from: 20_000, ifRange: audio.entityTag, token: token)
      let shown = try await running.request("GET", "/sandbox/requests")
      let snapshot = try JSONDecoder().decode(RequestStatistics.Snapshot.self, from: Data(shown.body))
      #expect(snapshot.endpoints == ["token": 1, "metadata": 1, "download": 1])
      #expect(snapshot.statuses == ["200": 2, "206": 1])
      #expect(snapshot.recordings["codec-gsm"]?.metadata == 1)
      #expect(snapshot.recordings["codec-gsm"]?.downloads == 1)
      #expect(snapshot.recordings["codec-gsm"]?.bytesSent == half.body.count)
      #expect(snapshot.peakDownloadsInFlight == 1)
      let last = try #require(snapshot.recent.last)
      #expect(last.range == "bytes=20000-")
      #expect(last.ifRange == audio.entityTag)
      #expect(last.status == 206)
      #expect(last.bytesSent == half.body.count)
      #expect(try await running.request("DELETE", "/sandbox/requests").status == 204)
      #expect(running.tenant.statistics.snapshot.recent.isEmpty)
    }
  }
}
