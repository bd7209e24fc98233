import Audio
import CXone
import Catalog
import Foundation
import Logging
import Model
import ObjectStorage
import Pipeline
import Sandbox
import SystemPackage
import TestKit
import Testing

/// Recordings with several parts, from a simulated tenant of the contract `media-playback`.
@Suite(.timeLimit(.minutes(5))) struct PartsTests {
  private func run(
    faults: [FaultRule] = [], settings: IngestSettings = IngestSettings(retry: .prompt),
    _ body: @escaping @Sendable (PipelineFixture, SandboxTenant) async throws -> Void
  ) async throws {
    func configure(_ configuration: inout SandboxConfiguration) {
      configuration.callCount = 0
      configuration.faults = faults
    }
    try await SandboxSource.run(.mediaPlayback, configure) { tenant, source in
      var options = PipelineFixture.Options(source: source)
      options.settings = settings
      try await PipelineFixture.run(options) { fixture in try await body(fixture, tenant) }
    }
  }

  private func archived(
    _ call: SpecialCall, _ fixture: PipelineFixture
  ) async throws -> (recording: RecordingRow, parts: [MediaPart]) {
    try #require(try await fixture.catalog.archived(try fixture.key(call.contactID)))
  }

  /// The duration of an MP3, as `ffprobe` measures it.
  private func duration(of name: ObjectName, _ fixture: PipelineFixture) throws -> Double {
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/env")
    let path = fixture.folder.appending("objects").string + "/\(name)"
    process.arguments = ["ffprobe", "-v", "error", "-show_entries", "format=duration", "-of", "csv=p=0", path]
    let output = Pipe()
    process.standardOutput = output
    try process.run()
    let data = try output.fileHandleForReading.readToEnd() ?? Data()
    process.waitUntilExit()
    return try #require(Double(String(decoding: data, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)))
  }

  @Test func `all parts are archived together, with one media request`() async throws {
    try await run(settings: IngestSettings(retry: .prompt, announces: true)) { fixture, tenant in
      try await fixture.archive(SpecialCall.twoPartsWithStages.contactID)
      let (recording, parts) = try await archived(.twoPartsWithStages, fixture)
      #expect(parts.map(\.part) == [0, 1] && !recording.isPartial)
      for part in parts {
        let file = await tenant.mediaFile(.twoPartsWithStages, part: part.part)
        #expect(try fixture.bytes(ofObject: try #require(part.original)) == file)
        #expect(abs(part.duration.inSeconds - 24) < 0.1)
      }
      #expect(parts[0].offset == .zero && abs(parts[1].offset.inSeconds - 24.2) < 0.3)
      let joined = try #require(recording.joined)
      #expect(recording.audioDuration == parts[1].end)
      #expect(abs(try duration(of: joined.mp3.name, fixture) - parts[1].end.inSeconds) < 0.3)
      let peaks = try #require(Peaks(decoding: try fixture.bytes(ofObject: joined.peaks.name)))
      #expect(peaks.channels == 2 && abs(peaks.length - Int(parts[1].end.inSeconds * 100)) <= 2)
      // What the platform says about each part.
      #expect(parts[0].stages.map(\.kind) == [.hold] && parts[1].stages.map(\.kind) == [.mask])
      #expect(parts[1].stages.first?.start == parts[1].offset + .seconds(10))
      #expect(parts.allSatisfy { $0.facts.lanes.map(\.speaker) == [.agent, .customer] })
      let start = try #require(parts[0].facts.startTime)
      #expect(parts[1].facts.startTime == start + .seconds(44))
      #expect(tenant.statistics.snapshot.recordings[SpecialCall.twoPartsWithStages.id]?.metadata == 1)
      try await fixture.expectTidy(archived: 1)
      try await fixture.expectWhole()

      let body = try await fixture.database.read { db in
        try db.rows("SELECT body FROM webhook_message").first?.text("body")
      }
      let text = try #require(body)
      let event = try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
      let data = try #require(event["data"] as? [String: Any])
      #expect(event["filePath"] as? String == fixture.store.location(of: joined.mp3.name))
      #expect(data["mp3Sha256"] as? String == joined.mp3.hash.rawValue)
      #expect((data["parts"] as? [[String: Any]])?.map { $0["part"] as? Int } == [1, 2])
      #expect(data["missingParts"] == nil)
    }
  }

  @Test func `a recording with one part has no files of the whole`() async throws {
    try await run { fixture, _ in
      try await fixture.archive(SpecialCall.holdAndMask.contactID)
      let (recording, parts) = try await archived(.holdAndMask, fixture)
      #expect(parts.count == 1 && recording.joined == nil)
      #expect(parts[0].stages.map(\.kind) == [.hold, .mask])
      #expect(try await fixture.objects().count == 3)
    }
  }

  @Test func `parts in different formats become one MP3`() async throws {
    try await run { fixture, _ in
      try await fixture.archive(SpecialCall.twoFormats.contactID)
      let (recording, parts) = try await archived(.twoFormats, fixture)
      #expect(parts.map(\.channels) == [2, 1] && parts.map(\.sampleRate) == [8000, 16_000])
      for part in parts {
        let peaks = try #require(Peaks(decoding: try fixture.bytes(ofObject: part.peaks.name)))
        #expect(peaks.channels == 2)
      }
      let joined = try #require(recording.joined)
      #expect(abs(try duration(of: joined.mp3.name, fixture) - parts[1].end.inSeconds) < 0.3)
      try await fixture.expectTidy(archived: 1)
    }
  }

  @Test func `a part without media makes the recording partial after the deadline`() async throws {
    try await run(settings: IngestSettings(retry: .prompt, announces: true)) { fixture, _ in
      try await fixture.archive(SpecialCall.missingPart.contactID)
      let (recording, parts) = try await archived(.missingPart, fixture)
      #expect(parts.map(\.part) == [0] && recording.isPartial && recording.joined == nil)
      let missing = try #require(recording.missingParts.first)
      #expect(missing.part == 1 && missing.startTime != nil)
      #expect(try await fixture.catalog.partialCount() == 1)
      #expect(try await fixture.log(.archive).first?.details["missing_parts"] == "1")
      let body = try await fixture.database.read { db in
        try db.rows("SELECT body FROM webhook_message").first?.text("body")
      }
      #expect(body?.contains(#""missingParts":[2]"#) == true)
      try await fixture.expectWhole()
    }
  }

  /// A file of a recording to damage: of the whole, or of a part.
  enum Damaged: CaseIterable, Sendable {
    case wholeMP3, wholePeaks, partMP3, partPeaks

    func object(_ recording: RecordingRow, _ parts: [MediaPart]) -> ObjectName? {
      switch self {
      case .wholeMP3: recording.joined?.mp3.name
      case .wholePeaks: recording.joined?.peaks.name
      case .partMP3: parts.last?.mp3.name
      case .partPeaks: parts.last?.peaks.name
      }
    }

    var finding: String {
      switch self {
      case .wholeMP3: "The content of the MP3 of the whole call differs from the archived one."
      case .wholePeaks: "The content of the waveform of the whole call differs from the archived one."
      case .partMP3: "The content of the MP3 of part 2 differs from the archived one."
      case .partPeaks: "The content of the waveform of part 2 differs from the archived one."
      }
    }
  }

  @Test(arguments: Damaged.allCases)
  func `a damaged file is found and made again from the originals, and the others stay`(damaged: Damaged) async throws {
    try await run { fixture, tenant in
      let id = SpecialCall.twoParts.contactID
      try await fixture.archive(id)
      let before = try await archived(.twoParts, fixture)
      let object = try #require(damaged.object(before.recording, before.parts))
      try DiskFault.flippedByte.strike(object, of: fixture)
      let downloads = tenant.statistics.snapshot.recent.count { $0.endpoint == .download }
      let seen = try await fixture.verifier.verify(try fixture.key(id), .repair())
      #expect(seen.findings.map(\.sentence) == [damaged.finding])
      #expect(seen.repair?.isFromOriginal == true)
      #expect(try await fixture.repaired(id).runState == .done)
      let after = try await archived(.twoParts, fixture)
      #expect(after.parts == before.parts && after.recording.joined == before.recording.joined)
      #expect(tenant.statistics.snapshot.recent.count { $0.endpoint == .download } == downloads)
      try await fixture.expectWhole()
    }
  }

  @Test func `a damaged original of one part is downloaded again`() async throws {
    try await run { fixture, tenant in
      let id = SpecialCall.twoParts.contactID
      try await fixture.archive(id)
      let before = try await archived(.twoParts, fixture)
      try DiskFault.cut.strike(try #require(before.parts[1].original), of: fixture)
      let seen = try await fixture.verifier.verify(try fixture.key(id), .repair())
      #expect(seen.findings.map(\.file.part) == [1] && seen.findings.first?.file.kind == .original)
      #expect(try await fixture.repaired(id).runState == .done)
      let after = try await archived(.twoParts, fixture)
      #expect(after.parts.map(\.sourceHash) == before.parts.map(\.sourceHash))
      #expect(after.recording.joined == before.recording.joined)
      try await fixture.expectWhole()
    }
  }
}
