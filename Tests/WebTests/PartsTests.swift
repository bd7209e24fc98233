import Catalog
import Crypto
import Foundation
import HTTPTypes
import Model
import SystemPackage
import Testing

/// Recordings with several parts: their files, the API and the pages.
@Suite(.timeLimit(.minutes(5)))
struct PartsTests {
  private static let whole: [UInt8] = Array("the MP3 of both parts".utf8)

  /// Archives the recording `call` with two parts, and a third one that is missing.
  private func archive(_ fixture: WebFixture, missing: [PartFacts] = []) async throws {
    let facts = try fixture.facts("call")
    let lease = try await fixture.fetching(facts)
    let start = try #require(facts.startTime)
    var parts: [MediaPart] = []
    for number in 0..<2 {
      let original = try await fixture.put(Array("RIFF original \(number)".utf8), .wav)
      let stage = number == 0 ? MediaStage.Kind.hold : .mask
      parts.append(
        MediaPart(
          part: number, offset: .milliseconds(24_192 * number),
          facts: PartFacts(
            number, startTime: start + .seconds(44 * number),
            lanes: [
              MediaLane(channel: 1, speaker: .agent, name: number == 0 ? "Zoë <Kim>" : "Robin"),
              MediaLane(channel: 0, speaker: .customer),
            ], stages: [MediaStage(stage, start: .seconds(3), end: .seconds(7))]),
          sourceHash: original.hash, sourceBytes: original.bytes, original: original.name, codec: "pcm_s16le",
          channels: 2, sampleRate: 8000, duration: .seconds(24),
          mp3: try await fixture.put(Array("MP3 \(number)".utf8), .mp3),
          peaks: try await fixture.put(Array("peaks \(number)".utf8), .peaks)))
    }
    let now = Instant.systemNow()
    try await fixture.catalog.archive(
      Archive(
        key: try fixture.key("call"), facts: facts, parts: parts,
        joined: JoinedMedia(
          mp3: try await fixture.put(Self.whole, .mp3), peaks: try await fixture.put(Array("all peaks".utf8), .peaks)),
        missing: missing, at: now, availableAt: now, warning: nil, steps: [],
        entry: LogEntry(
          at: now, action: .archive, outcome: .allowed, actor: nil, recording: try fixture.key("call")),
        message: nil),
      lease: lease)
  }

  @Test func `the whole MP3 has its own tag, digest and ranges`() async throws {
    try await WebFixture.run { fixture in
      try await archive(fixture)
      let answer = try await fixture.get("/audio/call.mp3", as: .agent)
      #expect(answer.status == 200 && answer.body == Self.whole)
      let hash = SHA256.hash(data: Self.whole)
      let digest = Data(hash).base64EncodedString()
      #expect(answer.header("Repr-Digest") == "sha-256=:\(digest):")
      let tag = "\"\(hash.map { String(format: "%02x", $0) }.joined())\""
      #expect(answer.header("ETag") == tag)
      let range = try await fixture.get("/audio/call.mp3", as: .agent, headers: ["Range": "bytes=4-6"])
      #expect(range.status == 206 && range.text == "MP3")
      #expect(range.header("Content-Range") == "bytes 4-6/\(Self.whole.count)")
      #expect(try await fixture.get("/audio/call/peaks", as: .agent).text == "all peaks")
    }
  }

  @Test func `a single part is served with its number`() async throws {
    try await WebFixture.run { fixture in
      try await archive(fixture, missing: [PartFacts(2)])
      for number in 1...2 {
        #expect(try await fixture.get("/audio/call.mp3?part=\(number)", as: .agent).text == "MP3 \(number - 1)")
        #expect(
          try await fixture.get("/audio/call/peaks?part=\(number)", as: .agent).text == "peaks \(number - 1)")
        #expect(
          try await fixture.get("/audio/call/original?part=\(number)", as: .agent).text
            == "RIFF original \(number - 1)")
      }
      let download = try await fixture.get("/audio/call.mp3?part=2&download", as: .agent)
      #expect(download.header("Content-Disposition") == "attachment; filename=\"call-part2.mp3\"")
      #expect(try await fixture.logged(.download).first?.details["file"] == "mp3 of part 2")
      let missing = try await fixture.get("/audio/call.mp3?part=3", as: .agent)
      #expect(missing.status == 404 && missing.text.contains("The platform has no media for this part"))
      let other = try await fixture.get("/audio/call.mp3?part=4", as: .agent)
      #expect(other.status == 404 && other.text.contains("has no part with this number"))
      #expect(try await fixture.get("/audio/call.mp3?part=0", as: .agent).status == 400)
      let original = try await fixture.get("/audio/call/original", as: .agent)
      #expect(original.status == 404 && original.text.contains("'?part=' with one of: 1, 2"))
    }
  }

  @Test func `a recording with one part takes its number too`() async throws {
    try await WebFixture.run { fixture in
      try await fixture.archive(try fixture.facts("one"))
      #expect(try await fixture.get("/audio/one.mp3?part=1", as: .agent).text == "an mp3")
      #expect(try await fixture.get("/audio/one.mp3?part=2", as: .agent).status == 404)
      let answer = try await fixture.get("/api/v1/recordings/one", as: .agent)
      #expect(answer.json["parts"] == nil && answer.json["missingParts"] == nil)
    }
  }

  @Test func `damage of one file leaves the others playable`() async throws {
    try await WebFixture.run { fixture in
      try await archive(fixture)
      let (recording, parts) = try #require(try await fixture.catalog.archived(try fixture.key("call")))
      let joined = try #require(recording.joined)
      try FileManager.default.removeItem(
        atPath: fixture.folder.appending("objects").string + "/\(joined.mp3.name)")
      let answer = try await fixture.get("/audio/call.mp3", as: .agent)
      #expect(answer.code == "object_missing" && answer.text.contains("The MP3 of the whole call is missing"))
      #expect(try await fixture.get("/audio/call.mp3?part=1", as: .agent).status == 200)
      let page = try await fixture.page("/play/call", as: .agentsBrowser)
      #expect(page.text.contains("The recording cannot be played."))

      try FileManager.default.removeItem(
        atPath: fixture.folder.appending("objects").string + "/\(parts[1].mp3.name)")
      #expect(try await fixture.get("/audio/call.mp3?part=2", as: .agent).code == "object_missing")
      let files = try #require(try await fixture.catalog.recording(try fixture.key("call"))?.damage).files
      #expect(files == [DamagedFile(.mp3, part: nil, .missing), DamagedFile(.mp3, part: 1, .missing)])
    }
  }

  @Test func `the API describes parts, lanes, stages and missing parts`() async throws {
    try await WebFixture.run { fixture in
      try await archive(fixture, missing: [PartFacts(2, startTime: Instant(iso8601: "2026-03-02T10:02:00Z"))])
      let json = try await fixture.get("/api/v1/recordings/call", as: .supervisor).json
      #expect(json["audioSeconds"] as? Double == 48.192)
      let parts = try #require(json["parts"] as? [[String: Any]])
      #expect(parts.map { $0["offsetSeconds"] as? Double } == [0, 24.192])
      #expect(parts[1]["startTime"] as? String == "2026-03-02T10:00:44Z")
      let stage = try #require((parts[1]["stages"] as? [[String: Any]])?.first)
      #expect(stage["kind"] as? String == "mask" && stage["from"] as? Double == 27.192)
      let lane = try #require((parts[0]["lanes"] as? [[String: Any]])?.first)
      #expect(lane["speaker"] as? String == "agent" && lane["channel"] as? Int == 1)
      #expect((parts[0]["files"] as? [[String: Any]])?.map { $0["kind"] as? String } == ["original", "mp3", "peaks"])
      #expect((json["files"] as? [[String: Any]])?.map { $0["kind"] as? String } == ["mp3", "peaks"])
      let missing = try #require((json["missingParts"] as? [[String: Any]])?.first)
      #expect(missing["part"] as? Int == 3 && missing["startTime"] as? String == "2026-03-02T10:02:00Z")
      let list = try await fixture.get("/api/v1/recordings", as: .supervisor).json["recordings"] as? [[String: Any]]
      #expect(list?.first?["missingParts"] != nil && list?.first?["parts"] == nil)
      let table = try await fixture.get("/api/v1/recordings.csv", as: .supervisor).text
      #expect(table.split(whereSeparator: \.isNewline).last?.hasSuffix(",3") == true)
    }
  }

  @Test func `the page names lanes, and shows parts, gaps, stages and missing parts`() async throws {
    try await WebFixture.run { fixture in
      try await archive(fixture, missing: [PartFacts(2)])
      let page = try await fixture.page("/play/call", as: .agentsBrowser).text
      #expect(page.contains("This recording is partial: the platform has no media for part 3 of the 3 parts"))
      // The agent is on the second channel.
      #expect(page.contains(#"data-lane="agent" data-channel="1" role="group" aria-label="Agent: Zoë &lt;Kim&gt;, Robin""#))
      #expect(page.contains(#"data-lane="customer" data-channel="0""#))
      for text in [
        "Part 1", "Part 2, after a gap of 0:20", "Hold", "Masked", "Part 3 is missing: the platform has no media for it",
      ] {
        #expect(page.contains("\(text)</span>"), "\(text)")
      }
      #expect(page.contains(#"data-seek="24.192" aria-label="Go to 0:24, Part 2, after a gap of 0:20""#))
      #expect(page.contains("Original of part 2 (WAV)") && page.contains("/audio/call/original?download&amp;part=2"))
      #expect(page.contains(#"data-mp3="/audio/call.mp3""#) && !page.contains("data-original"))
      #expect(try await fixture.page("/", as: .agentsBrowser).text.contains(">Partial<"))
    }
  }

  @Test func `the page of a recording with one part has no list of parts`() async throws {
    try await WebFixture.run { fixture in
      try await fixture.archive(try fixture.facts("one"))
      let page = try await fixture.page("/play/one", as: .agentsBrowser).text
      #expect(!page.contains("data-passages") && !page.contains("Parts and passages"))
      #expect(page.contains(#"aria-label="Agent""#))
    }
  }

  @Test func `a report of what was heard covers all parts`() async throws {
    try await WebFixture.run { fixture in
      try await archive(fixture)
      func report(_ to: Double) async throws -> Int {
        try await fixture.send(
          .post, "/api/v1/recordings/call/heard", as: .agent, headers: ["Content-Type": "application/json"],
          body: #"{"passages":[{"from":1,"to":\#(to)}]}"#
        ).status
      }
      #expect(try await report(48) == 204)
      #expect(try await report(60) == 400)
    }
  }
}
