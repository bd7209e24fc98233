import CXone
import Catalog
import Foundation
import Logging
import Model
import NIOCore
import Pipeline
import Sandbox
import Synchronization
import SystemPackage
import TestKit
import Testing

/// A dependency of the pipeline that is unavailable for a while.
@Suite(.timeLimit(.minutes(5)))
struct OutageTests {
  static let id = "codec-pcm-mono"

  @Test func `a catalog that is unavailable for a minute fails no job, and is logged once`() async throws {
    let clock = TestClock()
    let log = RecordedLog()
    let (isUnderWay, mayEnd) = (Gate(), Gate())
    let wav = try await PipelineFixture.run { try await $0.original(FixedRecordings.tiny) }
    var options = PipelineFixture.Options(clock: clock, logger: log.logger())
    options.source = HandSource { sink, state in
      if await sink.length == 0 {
        try await sink.append(.init(bytes: wav))
        isUnderWay.open()
        try await mayEnd.wait()
      }
      return .init(totalBytes: Int64(wav.count))
    }
    try await PipelineFixture.run(options) { fixture in
      let database = AwayDatabase(fixture.database)
      let ingest = fixture.ingest(on: database)
      try await fixture.with(Worker(ingest: ingest)) {
        try await fixture.request("under-way")
        try await isUnderWay.wait()
        database.setAway(true)
        // This job ends while nothing can be written; the other one cannot even be claimed.
        mayEnd.open()
        try await fixture.request("new")
        for _ in 0..<60 {
          try await clock.untilSleeping(3)
          clock.advance(by: .seconds(1))
        }
        #expect(database.refused >= 60, "it is tried again and again")
        database.setAway(false)
        for id in ["under-way", "new"] {
          try await until {
            // Thousands of steps for the length of a lease, so that heartbeats keep up on a busy machine.
            clock.advance(by: .milliseconds(10))
            return try await fixture.catalog.job(of: try fixture.key(id))?.runState == .done
          }
        }
        #expect(try await fixture.catalog.job(of: try fixture.key("new"))?.attempts == 1)
        // A claim is reported after it, when its job may be done already.
        try await until {
          clock.advance(by: .milliseconds(10))
          return ["polling", "transfer"].allSatisfy {
            log.messages(at: .notice).contains("claiming jobs of the queue '\($0)' works again")
          }
        }
      }
      // Failures of the claims of both queues, and of the running job: its outcome, its heartbeat and its release.
      let messages = log.messages(at: .error).filter { $0.hasSuffix("it is retried until it works") }
      #expect(Set(messages).count == messages.count, "each is said once: \(messages)")
      #expect(messages.count <= 5)
      try await fixture.expectTidy(archived: 2)
    }
  }

  @Test func `an unavailable object store is retried with the downloaded bytes`() async throws {
    try await PipelineFixture.run { fixture in
      let objects = fixture.folder.appending("objects")
      let aside = fixture.folder.appending("aside")
      try FileManager.default.moveItem(atPath: objects.string, toPath: aside.string)
      // A file in place of the folder, because a missing folder would be created.
      try Data().write(to: URL(filePath: objects.string))
      try await fixture.withWorker {
        try await fixture.request(Self.id)
        let job = try await fixture.job(Self.id) { $0.failure?.code == .storageFailed && $0.attempts >= 2 }
        #expect(job.stage == .processing)
        try FileManager.default.removeItem(atPath: objects.string)
        try FileManager.default.moveItem(atPath: aside.string, toPath: objects.string)
        #expect(try await fixture.ended(Self.id).runState == .done)
      }
      #expect(fixture.downloads(of: Self.id) == 1)
      try await fixture.expectOriginal(Self.id)
      try await fixture.expectTidy(archived: 1)
    }
  }

  @Test func `an object store that stays unavailable fails the job, and later requests get its code`() async throws {
    try await PipelineFixture.run { fixture in
      let objects = fixture.folder.appending("objects")
      try FileManager.default.removeItem(atPath: objects.string)
      try Data().write(to: URL(filePath: objects.string))
      try await fixture.withWorker {
        try await fixture.request(Self.id)
        let failed = try await fixture.ended(Self.id)
        #expect(failed.failure?.code == .storageFailed)
        #expect(failed.attempts == 6)
        try FileManager.default.removeItem(atPath: objects.string)
        try await fixture.request(Self.id)
        #expect(try await fixture.ended(Self.id).runState == .done)
      }
      try await fixture.expectOriginal(Self.id)
      try await fixture.expectTidy(archived: 1)
    }
  }

  @Test func `a platform that is rate-limited for an hour is asked when it said, and no attempt is counted`()
    async throws
  {
    let clock = TestClock()
    let refusals = Mutex(4)
    var options = PipelineFixture.Options(clock: clock)
    var source = HandSource { _, state in state }
    let asked = Counter()
    source.facts = { id throws(TapedeckError) in
      asked.count()
      let isRefused = refusals.withLock { left in
        left -= 1
        return left >= 0
      }
      if isRefused { throw TapedeckError(.platformRateLimited, retryAfter: .seconds(900)) }
      return PlatformRecording(id: id, status: .failed, privacy: .standard)
    }
    options.source = source
    try await PipelineFixture.run(options) { fixture in
      try await fixture.withWorker {
        try await fixture.request(Self.id)
        for number in 1...4 {
          let job = try await fixture.job(Self.id) { $0.runState == .waiting && $0.dueAt! > clock.now }
          #expect(job.failure?.code == .platformRateLimited)
          #expect(job.attempts == 0)
          #expect(asked.value == number)
          let due = try #require(job.dueAt)
          #expect(due - clock.now == .seconds(900))
          while clock.now < due {
            try await clock.untilSleeping(3)
            clock.advance(by: min(.seconds(30), due - clock.now))
          }
          try await fixture.wakeWorkers()
        }
        #expect(try await fixture.ended(Self.id).failure?.code == .recordingFailedOnPlatform)
      }
      #expect(asked.value == 5)
    }
  }
}
