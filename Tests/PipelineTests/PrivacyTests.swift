import CXone
import Catalog
import Model
import NIOCore
import Pipeline
import Sandbox
import Synchronization
import TestKit
import Testing

/// Which recordings may be downloaded on whose behalf.
@Suite(.timeLimit(.minutes(5)))
struct PrivacyTests {
  @Test func `no bytes of a restricted recording are fetched without the clearance for it`() async throws {
    try await PipelineFixture.run { fixture in
      let id = FixedRecordings.restricted
      try await fixture.withWorker {
        try await fixture.request(id)
        let job = try await fixture.job(id) { $0.runState == .waiting }
        #expect(job.dueAt == nil)
        #expect(job.failure == nil)
        #expect(try await fixture.catalog.recording(try fixture.key(id))?.facts.privacy == .restricted)
        #expect(fixture.downloads(of: id) == 0)

        // Another request with the same clearance changes nothing.
        #expect(try await fixture.request(id).runState == .waiting)

        try await fixture.request(id, clearance: .restricted)
        #expect(try await fixture.ended(id).runState == .done)
      }
      #expect(fixture.downloads(of: id) == 1)
      try await fixture.expectOriginal(id)
      try await fixture.expectTidy(archived: 1)
    }
  }

  @Test func `a recording that became restricted before its download waits for sufficient clearance`() async throws {
    try await PipelineFixture.run { fixture in
      let id = "codec-pcm-mono"
      let key = try fixture.key(id)
      let claimed = try await fixture.request(id)
      #expect(claimed.clearance == .standard)
      let polled = try #require(try await fixture.catalog.claimJobs(in: .polling, lease: .seconds(30), limit: 1).first)
      let release = try #require(try await fixture.ingest.run(polled))
      try await fixture.catalog.release(JobLease(jobID: polled.id, fence: polled.fence), release)
      var facts = try #require(try await fixture.catalog.recording(key)).facts
      facts.privacy = .restricted
      try await fixture.catalog.observe(facts, of: key)
      try await fixture.withWorker {
        let job = try await fixture.job(id) { $0.runState == .waiting }
        #expect(job.stage == .fetching)
        #expect(job.dueAt == nil)
      }
      #expect(fixture.downloads(of: id) == 0)
    }
  }

  @Test func `a recording that becomes restricted while it is fetched is archived as restricted`() async throws {
    let privacy = Mutex(Privacy.standard)
    let format = WAVFormat(.pcm16, channels: 1)
    let wav = format.header(dataBytes: 64_000) + [UInt8](repeating: 0, count: 64_000)
    var source = HandSource { sink, _ in
      try await sink.append(ByteBuffer(bytes: wav))
      privacy.withLock { $0 = .restricted }
      return DownloadState(totalBytes: Int64(wav.count))
    }
    source.facts = { id in
      PlatformRecording(id: id, status: .available, privacy: privacy.withLock { $0 })
    }
    var options = PipelineFixture.Options(source: source)
    options.settings.announces = true
    try await PipelineFixture.run(options) { fixture in
      try await fixture.withWorker {
        try await fixture.request("turns")
        #expect(try await fixture.ended("turns").runState == .done)
      }
      #expect(try await fixture.catalog.recording(try fixture.key("turns"))?.facts.privacy == .restricted)
      #expect(try await fixture.count("FROM log_entry WHERE action = 'privacy_change'") == 1)
      let body = try #require(try await fixture.catalog.claimMessages(limit: 1, lease: .seconds(30)).first?.body)
      #expect(body.contains(#""privacy":"restricted""#))
    }
  }

  @Test func `a recording that is restricted in the catalog is announced as restricted, whatever the platform says`()
    async throws
  {
    let format = WAVFormat(.pcm16, channels: 1)
    let wav = format.header(dataBytes: 64_000) + [UInt8](repeating: 0, count: 64_000)
    var options = PipelineFixture.Options()
    options.source = HandSource(bytes: wav)
    options.settings.announces = true
    try await PipelineFixture.run(options) { fixture in
      let key = try fixture.key("once-restricted")
      try await fixture.catalog.observe(
        PlatformRecording(id: key.id, status: .available, privacy: .restricted), of: key)
      try await fixture.withWorker {
        try await fixture.request("once-restricted", clearance: .restricted)
        #expect(try await fixture.ended("once-restricted").runState == .done)
      }
      let body = try #require(try await fixture.catalog.claimMessages(limit: 1, lease: .seconds(30)).first?.body)
      #expect(body.contains(#""privacy":"restricted""#))
    }
  }
}
