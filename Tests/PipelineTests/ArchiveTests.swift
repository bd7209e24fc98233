import CXone
import Catalog
import Crypto
import Foundation
import Model
import NIOCore
import Pipeline
import Sandbox
import TestKit
import Testing

/// The processing of a recording without faults.
@Suite(.timeLimit(.minutes(5)))
struct ArchiveTests {
  @Test(arguments: FixedRecordings.codecs.map(\.id) + [FixedRecordings.oddID])
  func `a recording of every codec is archived with its original unchanged`(id: String) async throws {
    try await PipelineFixture.run { fixture in
      try await fixture.withWorker {
        try await fixture.request(id)
        let job = try await fixture.ended(id)
        #expect(job.runState == .done, "\(job.failure?.message ?? "")")
        #expect(job.stage == .ready)
      }
      try await fixture.expectOriginal(id)
      try await fixture.expectTidy(archived: 1)
      let platform = try #require(fixture.tenant.recording(id))
      let (recording, parts) = try #require(try await fixture.catalog.archived(try fixture.key(id)))
      let part = try #require(parts.first)
      #expect(part.channels == platform.format.channels)
      #expect(part.sampleRate == platform.format.sampleRate)
      let seconds = platform.format.seconds(dataBytes: platform.dataBytes)
      #expect(abs(part.duration.inSeconds - seconds) < 0.1)
      #expect(recording.audioDuration?.milliseconds == part.duration.milliseconds)
      #expect(recording.facts.agentName == platform.agentName)
      #expect(recording.availableAt != nil)
    }
  }

  @Test func `hashes in the catalog are those of the stored files, and MP3 and peaks can be read`() async throws {
    try await PipelineFixture.run { fixture in
      let id = "codec-pcm-stereo"
      try await fixture.withWorker {
        try await fixture.request(id)
        _ = try await fixture.ended(id)
      }
      let (_, parts) = try #require(try await fixture.catalog.archived(try fixture.key(id)))
      let part = try #require(parts.first)
      let original = try fixture.bytes(ofObject: try #require(part.original))
      let mp3 = try fixture.bytes(ofObject: part.mp3.name)
      let peaks = try fixture.bytes(ofObject: part.peaks.name)
      #expect(sha256(original) == part.sourceHash.rawValue)
      #expect(sha256(mp3) == part.mp3.hash.rawValue)
      #expect(sha256(peaks) == part.peaks.hash.rawValue)
      #expect(Int64(mp3.count) == part.mp3.bytes)
      // Without it a browser derives a wrong duration from the first frames.
      #expect(Data(mp3.prefix(1000)).firstRange(of: Data("Xing".utf8)) != nil)
      // Version 2 of the waveform format, two channels.
      #expect(Array(peaks[0..<4]) == [2, 0, 0, 0])
      #expect(Array(peaks[20..<24]) == [2, 0, 0, 0])
    }
  }

  @Test func `every step records its time, and archiving adds an entry to the access log`() async throws {
    try await PipelineFixture.run { fixture in
      let id = "codec-ulaw-mono"
      let job = try await fixture.withWorker {
        try await fixture.request(id)
        let job = try await fixture.ended(id)
        // The time of the commit is recorded after it.
        try await until { try await fixture.catalog.steps(of: job.id).count >= Step.allCases.count }
        return job
      }
      let steps = try await fixture.catalog.steps(of: job.id)
      #expect(Set(steps.map(\.step)) == Set(Step.allCases))
      #expect(steps.allSatisfy { $0.duration >= .zero })
      var filter = LogFilter()
      filter.action = .archive
      let entries = try await fixture.catalog.logEntries(matching: filter, before: nil, limit: 10)
      let entry = try #require(entries.first?.entry)
      #expect(entries.count == 1)
      #expect(entry.recording == (try fixture.key(id)))
      #expect(entry.actor == nil)
      #expect(entry.details["sha256"] == sha256(try await fixture.original(id)))
    }
  }

  @Test func `a file of 64 KiB is archived`() async throws {
    let format = WAVFormat(.pcm16, channels: 1)
    let wav = format.header(dataBytes: 65_536 - 44) + (0..<65_492).map { UInt8(truncatingIfNeeded: $0 &* 7) }
    var options = PipelineFixture.Options()
    options.source = HandSource { sink, _ in
      try await sink.append(.init(bytes: wav))
      return .init(totalBytes: Int64(wav.count))
    }
    try await PipelineFixture.run(options) { fixture in
      try await fixture.withWorker {
        try await fixture.request("tiny")
        #expect(try await fixture.ended("tiny").runState == .done)
      }
      let part = try #require(try await fixture.catalog.archived(try fixture.key("tiny"))?.parts.first)
      #expect(part.sourceBytes == 65_536)
      #expect(try fixture.bytes(ofObject: try #require(part.original)) == wav)
      try await fixture.expectTidy(archived: 1)
    }
  }

  static let containers: [(ending: String, codec: String, kind: ObjectName.Kind)] = [
    ("m4a", "aac", .mp4), ("flac", "flac", .flac), ("mp3", "mp3float", .mp3),
  ]

  @Test(arguments: containers) func `a recording in another container is archived with its original unchanged`(
    ending: String, codec: String, kind: ObjectName.Kind
  ) async throws {
    let path = FileManager.default.temporaryDirectory.appending(path: "tapedeck-\(UUID().uuidString).\(ending)")
    defer { try? FileManager.default.removeItem(at: path) }
    let ffmpeg = Process()
    ffmpeg.executableURL = URL(filePath: "/usr/bin/env")
    ffmpeg.arguments =
      ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "sine=d=3:r=16000", "-ac", "2", path.path(percentEncoded: false)]
    ffmpeg.standardInput = FileHandle.nullDevice
    try ffmpeg.run()
    ffmpeg.waitUntilExit()
    let bytes = try [UInt8](Data(contentsOf: path))
    var options = PipelineFixture.Options()
    options.source = HandSource { sink, _ in
      try await sink.append(.init(bytes: bytes))
      return .init(totalBytes: Int64(bytes.count))
    }
    try await PipelineFixture.run(options) { fixture in
      try await fixture.withWorker {
        try await fixture.request("other")
        let job = try await fixture.ended("other")
        #expect(job.runState == .done, "\(job.failure?.message ?? "")")
      }
      let part = try #require(try await fixture.catalog.archived(try fixture.key("other"))?.parts.first)
      let original = try #require(part.original)
      #expect(original.kind == kind && original != part.mp3.name)
      #expect(try fixture.bytes(ofObject: original) == bytes)
      #expect(part.codec == codec && part.channels == 2 && part.sampleRate == 16_000)
      #expect(abs(part.duration.inSeconds - 3) < 0.2)
      try await fixture.expectTidy(archived: 1)
    }
  }

  @Test func `originals that are not kept are identified by their hash`() async throws {
    var options = PipelineFixture.Options()
    options.settings.keepsOriginals = false
    try await PipelineFixture.run(options) { fixture in
      let id = "codec-alaw-mono"
      try await fixture.withWorker {
        try await fixture.request(id)
        _ = try await fixture.ended(id)
      }
      let part = try #require(try await fixture.catalog.archived(try fixture.key(id))?.parts.first)
      #expect(part.original == nil)
      #expect(part.sourceHash.rawValue == sha256(try await fixture.original(id)))
      #expect(try await fixture.objects().allSatisfy { $0.kind != .wav })
      try await fixture.expectTidy(archived: 1)
    }
  }

  @Test func `a finished recording is not fetched again`() async throws {
    try await PipelineFixture.run { fixture in
      let id = "codec-gsm"
      try await fixture.withWorker {
        try await fixture.request(id)
        _ = try await fixture.ended(id)
        let again = try await fixture.request(id)
        #expect(again.runState == .done)
      }
      #expect(fixture.downloads(of: id) == 1)
    }
  }

  @Test func `fifty requests for one recording at the same moment are one download`() async throws {
    try await PipelineFixture.run { fixture in
      let id = "codec-pcm-mono"
      try await fixture.withWorker {
        let jobs = try await withThrowingTaskGroup(of: Int64.self) { group in
          for _ in 0..<50 {
            group.addTask {
              try await fixture.request(id)
              return try await fixture.ended(id).id
            }
          }
          return try await group.reduce(into: Set<Int64>()) { $0.insert($1) }
        }
        #expect(jobs.count == 1)
      }
      #expect(fixture.downloads(of: id) == 1)
      #expect(try await fixture.count("FROM log_entry WHERE action = 'ingest'") == 50)
      try await fixture.expectTidy(archived: 1)
    }
  }
}

/// SHA-256 in hexadecimal, of all the bytes at once.
func sha256(_ bytes: [UInt8]) -> String { hex(SHA256.hash(data: bytes)) }
