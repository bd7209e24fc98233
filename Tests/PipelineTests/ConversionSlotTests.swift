import Audio
import CXone
import Catalog
import Foundation
import Model
import NIOCore
import Pipeline
import Sandbox
import SystemPackage
import TestKit
import Testing

/// Conversions during downloads, and the slots they take.
@Suite(.timeLimit(.minutes(5)))
struct ConversionSlotTests {
  private static let wav: [UInt8] = {
    let format = WAVFormat(.pcm16, channels: 1)
    return format.header(dataBytes: 800_000) + (0..<800_000).map { UInt8(truncatingIfNeeded: $0 &* 13) }
  }()

  /// A download whose second half is sent when the gate opens.
  private static func source(_ rest: Gate) -> HandSource {
    HandSource { sink, _ in
      try await sink.append(ByteBuffer(bytes: wav[..<400_000]))
      try await rest.wait()
      try await sink.append(ByteBuffer(bytes: wav[400_000...]))
      return DownloadState(totalBytes: Int64(wav.count))
    }
  }

  @Test func `a download that stalls for five seconds releases its slot`() async throws {
    let clock = TestClock()
    let rest = Gate()
    var options = PipelineFixture.Options(conversions: 1, clock: clock)
    options.source = Self.source(rest)
    try await PipelineFixture.run(options) { fixture in
      let job = try await fixture.claim("stalls")
      let run = Task { try await fixture.ingest.run(job) }
      var seconds = 0
      while true {
        // The progress report always sleeps; the stall check sleeps while the conversion follows the download.
        try await clock.untilSleeping(1)
        if seconds > 0, fixture.conversions.tryAcquire() { break }
        clock.advance(by: .seconds(1))
        seconds += 1
      }
      #expect(seconds >= 5)
      fixture.conversions.release()
      rest.open()
      #expect(try await run.value == nil)
      // The recording was converted from the spool, and its slot was released again.
      #expect(fixture.conversions.tryAcquire())
      let part = try #require(try await fixture.catalog.archived(try fixture.key("stalls"))?.parts.first)
      #expect(try fixture.bytes(ofObject: try #require(part.original)) == Self.wav)
      try await fixture.expectTidy(archived: 1)
    }
  }

  @Test func `a slow download releases its slot when another job waits for one`() async throws {
    let clock = TestClock()
    let rest = Gate()
    var options = PipelineFixture.Options(conversions: 1, clock: clock)
    options.source = Self.source(rest)
    options.settings.stall = .seconds(1_000_000)
    try await PipelineFixture.run(options) { fixture in
      let job = try await fixture.claim("starves")
      let run = Task { try await fixture.ingest.run(job) }
      try await clock.untilSleeping(2)
      let wanted = Task { try await fixture.conversions.acquire() }
      try await until { fixture.conversions.waiterCount != 0 }
      while fixture.conversions.waiterCount > 0 {
        try await clock.untilSleeping(1)
        clock.advance(by: .seconds(1))
      }
      try await wanted.value
      rest.open()
      fixture.conversions.release()
      #expect(try await run.value == nil)
    }
  }

  @Test func `a download that restarts from 0 releases its slot`() async throws {
    let isCut = Gate()
    let rest = Gate()
    var options = PipelineFixture.Options(conversions: 1)
    options.source = HandSource { sink, _ in
      try await sink.append(ByteBuffer(bytes: [UInt8](Self.wav[..<44]) + [UInt8](repeating: 7, count: 300_000)))
      try await isCut.wait()
      try await sink.cut(to: 0)
      try await rest.wait()
      try await sink.append(ByteBuffer(bytes: Self.wav))
      return DownloadState(totalBytes: Int64(Self.wav.count))
    }
    // Long, so that a busy machine's delay does not count as a stall.
    options.settings.stall = .seconds(600)
    try await PipelineFixture.run(options) { fixture in
      let job = try await fixture.claim("again")
      let run = Task { try await fixture.ingest.run(job) }
      // The conversion is running.
      try await until { try fixture.files(in: "spool").contains { $0.hasSuffix(".mp3") } }
      #expect(!fixture.conversions.tryAcquire())
      isCut.open()
      try await fixture.conversions.acquire()
      fixture.conversions.release()
      rest.open()
      #expect(try await run.value == nil)
      let part = try #require(try await fixture.catalog.archived(try fixture.key("again"))?.parts.first)
      #expect(try fixture.bytes(ofObject: try #require(part.original)) == Self.wav)
      #expect(part.duration == .seconds(50))
      try await fixture.expectTidy(archived: 1)
    }
  }

  @Test func `a conversion follows its download and ends soon after it`() async throws {
    let rest = Gate()
    var options = PipelineFixture.Options(conversions: 1)
    options.source = Self.source(rest)
    // Long, so that a busy machine's delay does not count as a stall.
    options.settings.stall = .seconds(600)
    try await PipelineFixture.run(options) { fixture in
      let job = try await fixture.claim("follows")
      let run = Task { try await fixture.ingest.run(job) }
      // It writes its file while the download is still waiting for its second half.
      try await until { try fixture.files(in: "spool").contains { $0.hasSuffix(".mp3") } }
      rest.open()
      #expect(try await run.value == nil)
      let steps = try await fixture.catalog.steps(of: job.id)
      let download = try #require(steps.first { $0.step == .download })
      let conversion = try #require(steps.first { $0.step == .conversion })
      #expect(conversion.startedAt < download.startedAt + download.duration)
      #expect(fixture.conversions.tryAcquire())
    }
  }

  @Test func `many recordings at once never run more conversions than there are slots`() async throws {
    let folder = FilePath(NSTemporaryDirectory()).appending("tapedeck-slots-\(UUID().uuidString)")
    try FileManager.default.createDirectory(atPath: folder.string, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder.string) }
    let installed = try #require(Transcoder.installed)
    // Passes all messages on, and writes down how many conversions run whenever one more begins.
    let script = """
      #!/usr/bin/env python3
      import os, select, socket, struct, subprocess, sys

      tapedeck = socket.socket(fileno=0)
      transcoder, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
      with theirs:
          subprocess.Popen(["\(installed)"], stdin=theirs)
      running = set()
      while True:
          for ready in select.select([tapedeck, transcoder], [], [])[0]:
              packet, descriptors, _, _ = socket.recv_fds(ready, 64, 3)
              if not packet:
                  sys.exit()
              kind, _, number = struct.unpack("=IIQ", packet[:16])
              if ready is transcoder:
                  running.discard(number)
                  tapedeck.send(packet)
              elif kind == 1:
                  running.add(number)
                  with open("\(folder)/counts", "a") as counts:
                      counts.write(f"{len(running)}\\n")
                  socket.send_fds(transcoder, [packet], descriptors)
                  for descriptor in descriptors:
                      os.close(descriptor)
              else:
                  transcoder.send(packet)

      """
    let program = folder.appending("counting-transcoder")
    try Data(script.utf8).write(to: URL(filePath: program.string))
    try FileManager.default.setAttributes([.posixPermissions: 0o700], ofItemAtPath: program.string)
    try await PipelineFixture.run(PipelineFixture.Options(conversions: 2, transcoder: program)) { fixture in
      let ids = FixedRecordings.codecs.map(\.id) + FixedRecordings.small.prefix(4)
      try await fixture.withWorker(Worker.Limits(polling: 16, transfers: 16)) {
        for id in ids { try await fixture.request(id) }
        for id in ids { #expect(try await fixture.ended(id).runState == .done) }
      }
      let counts = try String(contentsOfFile: folder.appending("counts").string, encoding: .utf8)
        .split(separator: "\n").compactMap { Int($0) }
      #expect(counts.count >= ids.count)
      #expect(counts.allSatisfy { (1...2).contains($0) }, "\(counts)")
      #expect(counts.contains(2))
      #expect(fixture.conversions.tryAcquire())
      #expect(fixture.conversions.tryAcquire())
      try await fixture.expectTidy(archived: ids.count)
    }
  }
}
