import Catalog
import Foundation
import Model
import Pipeline
import Sandbox
import SystemPackage
import TestKit
import Testing

/// A machine that lacks something.
@Suite(.timeLimit(.minutes(5)))
struct MachineTests {
  static let id = "codec-pcm-mono"

  @Test func `nothing is fetched while the disk is nearly full, and work goes on by itself afterwards`() async throws {
    let clock = TestClock()
    var options = PipelineFixture.Options(clock: clock)
    options.settings.minimumFreeBytes = .max
    try await PipelineFixture.run(options) { fixture in
      try await fixture.withWorker {
        try await fixture.request(Self.id)
        for _ in 0..<10 {
          let job = try await fixture.job(Self.id) {
            $0.failure != nil && $0.runState == .waiting && $0.dueAt! > clock.now
          }
          #expect(job.failure?.code == .diskFull)
          #expect(job.stage == .fetching)
          #expect(job.attempts == 0)
          #expect(try #require(job.dueAt) - clock.now >= .seconds(14))
          clock.advance(by: try #require(job.dueAt) - clock.now)
          try await fixture.ring()
        }
      }
      #expect(fixture.downloads(of: Self.id) == 0)
      #expect(try fixture.files(in: "spool").isEmpty)
    }
  }

  @Test func `a job that was held up by a full disk is finished once there is space`() async throws {
    let clock = TestClock()
    try await PipelineFixture.run(PipelineFixture.Options(clock: clock)) { fixture in
      let job = try await fixture.claim(Self.id)
      try await fixture.catalog.release(
        JobLease(jobID: job.id, fence: job.fence),
        .postpone(until: clock.now + .seconds(15), because: TapedeckError(.diskFull)))
      try await fixture.withWorker {
        try await clock.untilSleeping(3)
        clock.advance(by: .seconds(15))
        let done = try await fixture.ended(Self.id)
        #expect(done.runState == .done)
        #expect(done.failure == nil)
      }
    }
  }

  @Test func `without FFmpeg the job fails with what to do about it`() async throws {
    try await PipelineFixture.run(PipelineFixture.Options(ffmpeg: "/nowhere/ffmpeg")) { fixture in
      let job = try await fixture.withWorker {
        try await fixture.request(Self.id)
        return try await fixture.ended(Self.id)
      }
      #expect(job.failure?.code == .ffmpegMissing)
      #expect(job.failure?.message.contains("apt-get install ffmpeg") == true)
      try await fixture.expectTidy(archived: 0)
    }
  }

  @Test func `an FFmpeg that refuses a sound recording leaves it in quarantine`() async throws {
    try await PipelineFixture.run(PipelineFixture.Options(ffmpeg: "false")) { fixture in
      let job = try await fixture.withWorker {
        try await fixture.request(Self.id)
        return try await fixture.ended(Self.id)
      }
      #expect(job.failure?.code == .conversionFailed)
      #expect(await fixture.conversions.takeIfFree())
      #expect(await fixture.conversions.takeIfFree())
      let kept = try #require(try fixture.files(in: "quarantine").first { $0.hasSuffix(".bin") })
      #expect(try fixture.bytes(of: "quarantine/\(kept)") == (try await fixture.original(Self.id)))
      try await fixture.expectTidy(archived: 0, quarantined: 1)
    }
  }
}
