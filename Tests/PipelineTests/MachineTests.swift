import CXone
import Catalog
import Foundation
import Logging
import Model
import NIOCore
import NIOPosix
import Pipeline
import Sandbox
import Synchronization
import SystemPackage
import TestKit
import Testing

/// A machine that lacks disk space or the transcoder.
@Suite(.timeLimit(.minutes(5)))
struct MachineTests {
  static let id = "codec-pcm-mono"

  /// A disk that a test fills and empties.
  private final class Disk: Sendable {
    private let free: Mutex<Int64>

    init(free: Int64) { self.free = Mutex(free) }

    var freeBytes: Int64 { free.withLock { $0 } }
    func setFree(_ bytes: Int64) { free.withLock { $0 = bytes } }
  }

  /// Whether the row of a job says that it waits for space.
  private func isHeld(_ job: JobRow) -> Bool { job.runState == .waiting && job.failure?.code == .diskFull }

  /// Advances the clock until a job has ended.
  private func ended(_ id: String, _ fixture: PipelineFixture, _ clock: TestClock) async throws -> JobRow {
    try await fixture.advance(clock) {
      let job = try await fixture.catalog.job(of: try fixture.key(id))
      return job?.runState == .done || job?.runState == .failed
    }
    return try await fixture.ended(id)
  }

  @Test func `nothing is fetched while the disk is nearly full, and work resumes by itself afterwards`() async throws {
    let clock = TestClock()
    let disk = Disk(free: 0)
    let log = RecordedLog()
    let options = PipelineFixture.Options(clock: clock, freeBytes: { disk.freeBytes }, logger: log.logger())
    try await PipelineFixture.run(options) { fixture in
      let ids = FixedRecordings.codecs.map(\.id)
      try await fixture.withWorker {
        for id in ids { try await fixture.request(id) }
        for id in ids {
          let job = try await fixture.job(id, until: isHeld)
          #expect(job.stage == .fetching, "the platform was asked all the same")
          #expect(job.attempts == 0)
        }
        for _ in 0..<10 {
          try await clock.untilSleeping(3)
          clock.advance(by: .seconds(5))
        }
        #expect(ids.allSatisfy { fixture.downloads(of: $0) == 0 })
        #expect(try fixture.files(in: "spool").isEmpty)
        #expect(log.messages(at: .critical).count == 1, "said once, not for each job")
        #expect(log.messages(at: .notice).isEmpty)

        disk.setFree(.max)
        for id in ids { #expect(try await ended(id, fixture, clock).runState == .done) }
      }
      #expect(log.messages(at: .critical).count == 1)
      #expect(log.messages(at: .notice) == ["there is space on the disk again; downloads resume"])
      try await fixture.expectTidy(archived: ids.count)
    }
  }

  @Test func `a request does not wait for the next check of the disk when there is space again`() async throws {
    let disk = Disk(free: 0)
    // The clock does not advance: nothing happens by itself.
    let options = PipelineFixture.Options(clock: TestClock(), freeBytes: { disk.freeBytes })
    try await PipelineFixture.run(options) { fixture in
      try await fixture.withWorker {
        try await fixture.request(Self.id)
        _ = try await fixture.job(Self.id, until: isHeld)
        // Still nearly full: the next request gets the same response.
        try await fixture.request(Self.id)
        _ = try await fixture.job(Self.id, until: isHeld)
        disk.setFree(.max)
        try await fixture.request(Self.id)
        #expect(try await fixture.ended(Self.id).runState == .done)
      }
      try await fixture.expectTidy(archived: 1)
    }
  }

  @Test func `every disk that a transfer fills counts, and one that cannot be checked stops no job`() async throws {
    let (spool, objects) = (Disk(free: 100), Disk(free: 100))
    let diskSpace = DiskSpaceMonitor(
      disks: [
        .init(holds: "spool") { spool.freeBytes }, .init(holds: "objects") { objects.freeBytes },
        .init(holds: "catalog") { throw Errno.ioError },
      ],
      minimumFreeBytes: 50, threads: .singleton, system: TestClock().system(), logger: .silent)
    #expect(await diskSpace.shortage() == nil)
    #expect(await diskSpace.measure().map(\.freeBytes) == [100, 100, nil])
    objects.setFree(49)
    #expect(await diskSpace.shortage()?.detail == "49 bytes are free for the objects")
    objects.setFree(50)
    spool.setFree(0)
    #expect(await diskSpace.shortage()?.code == .diskFull)
    spool.setFree(50)
    #expect(await diskSpace.shortage() == nil)
  }

  @Test func `a disk that is full although it reports free space is retried periodically`() async throws {
    let clock = TestClock()
    let log = RecordedLog()
    let space = Disk(free: 0)
    let tries = Counter()
    var options = PipelineFixture.Options(clock: clock, logger: log.logger())
    let wav = try await PipelineFixture.run { try await $0.original(FixedRecordings.tiny) }
    options.source = HandSource { sink, _ in
      tries.count()
      guard space.freeBytes > 0 else { throw TapedeckError(.diskFull, detail: "over quota") }
      try await sink.cut(to: 0)
      try await sink.append(.init(bytes: wav))
      return .init(totalBytes: Int64(wav.count))
    }
    try await PipelineFixture.run(options) { fixture in
      let ids = (0..<30).map { "call-\($0)" }
      try await fixture.withWorker(.init(transfers: 2)) {
        for id in ids { try await fixture.request(id) }
        for id in ids { #expect(try await fixture.job(id, until: isHeld).attempts == 0) }
        let first = tries.value
        #expect(first <= 2, "as many as had begun before the first one found the disk full")
        try await fixture.advance(clock) { tries.value > first }
        try await clock.untilSleeping(3)
        #expect(tries.value <= first + 2)
        #expect(log.messages(at: .critical).count == 1)

        space.setFree(1)
        for id in ids { #expect(try await ended(id, fixture, clock).runState == .done) }
      }
      #expect(log.messages(at: .critical).count == 1)
      #expect(log.messages(at: .notice).count == 1)
      try await fixture.expectTidy(archived: ids.count)
    }
  }

  @Test func `a job that was delayed by a full disk is finished once there is space`() async throws {
    let clock = TestClock()
    try await PipelineFixture.run(PipelineFixture.Options(clock: clock)) { fixture in
      let job = try await fixture.claim(Self.id)
      try await fixture.catalog.release(
        JobLease(jobID: job.id, fence: job.fence),
        .postpone(until: clock.now + .seconds(15), because: TapedeckError(.diskFull)))
      try await fixture.withWorker {
        let done = try await ended(Self.id, fixture, clock)
        #expect(done.runState == .done)
        #expect(done.failure == nil)
      }
    }
  }

  @Test func `without a transcoder the job fails with what to do about it`() async throws {
    try await PipelineFixture.run(PipelineFixture.Options(transcoder: "/nowhere/transcoder")) { fixture in
      let job = try await fixture.withWorker {
        try await fixture.request(Self.id)
        return try await fixture.ended(Self.id)
      }
      #expect(job.failure?.code == .ffmpegMissing)
      #expect(job.failure?.message.contains("tapedeck doctor") == true)
      try await fixture.expectTidy(archived: 0)
    }
  }

  @Test func `a recording that FFmpeg rejects is in quarantine although it is intact`() async throws {
    var wav = RepairTests.wav(7)
    // No codec has this number.
    wav.replaceSubrange(20..<22, with: [0x34, 0x12])
    var options = PipelineFixture.Options()
    options.source = HandSource { [wav] sink, _ in
      try await sink.cut(to: 0)
      try await sink.append(ByteBuffer(bytes: wav))
      return DownloadState(totalBytes: Int64(wav.count))
    }
    try await PipelineFixture.run(options) { [wav] fixture in
      let job = try await fixture.withWorker {
        try await fixture.request("odd")
        return try await fixture.ended("odd")
      }
      #expect(job.failure?.code == .conversionFailed)
      #expect(fixture.conversions.tryAcquire())
      #expect(fixture.conversions.tryAcquire())
      let kept = try #require(try fixture.files(in: "quarantine").first { $0.hasSuffix(".bin") })
      #expect(try fixture.bytes(of: "quarantine/\(kept)") == wav)
      try await fixture.expectTidy(archived: 0, quarantined: 1)
    }
  }
}
