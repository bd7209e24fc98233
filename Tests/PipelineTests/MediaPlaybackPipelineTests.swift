import CXone
import Catalog
import Foundation
import Logging
import Model
import Pipeline
import Sandbox
import TestKit
import Testing

/// The pipeline over a simulated tenant of the contract `media-playback`. Its calls ended months ago, so their media is
/// asked for at once.
@Suite(.timeLimit(.minutes(5))) struct MediaPlaybackPipelineTests {
  private static let plan = SyncPlan(filter: SyncFilter(direction: .outbound))

  private func run(
    faults: [FaultRule] = [], log: RecordedLog? = nil,
    _ body: @escaping @Sendable (PipelineFixture, SandboxTenant, any RecordingSource) async throws -> Void
  ) async throws {
    let logger = log?.logger(from: .trace) ?? Logger.silent
    func configure(_ configuration: inout SandboxConfiguration) {
      configuration.callCount = 0
      configuration.faults = faults
    }
    try await SandboxSource.run(.mediaPlayback, configure, logger: logger) { tenant, source in
      var options = PipelineFixture.Options(source: source)
      options.logger = logger
      try await PipelineFixture.run(options) { fixture in try await body(fixture, tenant, source) }
    }
  }

  private func archive(_ call: SpecialCall, _ fixture: PipelineFixture) async throws -> JobRow {
    try await fixture.withWorker {
      try await fixture.request(call.contactID, clearance: .restricted)
      return try await fixture.ended(call.contactID)
    }
  }

  @Test func `a listed call is archived with one media request, and its media makes it standard`() async throws {
    try await run { fixture, tenant, source in
      let discovery = Discovery(catalog: fixture.catalog, source: source, plan: Self.plan)
      let day = try #require(CalendarDay("2026-03-02", in: .utc))
      try await discovery.check(day, now: fixture.system.now(), fetches: false, for: .check)
      let key = try fixture.key(SpecialCall.threeLegs.contactID)
      let listed = try #require(try await fixture.catalog.recording(key))
      #expect(listed.facts.privacy == .restricted && !listed.facts.isPrivacyKnown)
      #expect(listed.facts.json.components(separatedBy: "\"masterContactId\"").count == 4)
      #expect(try await archive(.threeLegs, fixture).runState == .done)
      let archived = try #require(try await fixture.catalog.archived(key))
      #expect(archived.recording.facts.privacy == .standard && archived.recording.facts.isPrivacyKnown)
      #expect(archived.recording.facts.agentName == listed.facts.agentName)
      #expect(archived.parts.count == 1)
      let file = await tenant.mediaFile(.threeLegs)
      #expect(archived.parts.first?.sourceBytes == file.map { Int64($0.count) })
      #expect(tenant.statistics.snapshot.recordings[SpecialCall.threeLegs.id]?.metadata == 1)
    }
  }

  @Test func `a call that was not recorded is neither expected nor a gap`() async throws {
    try await run { fixture, _, source in
      let discovery = Discovery(catalog: fixture.catalog, source: source, plan: Self.plan)
      let day = try #require(CalendarDay("2026-03-02", in: .utc))
      try await discovery.check(day, now: fixture.system.now(), fetches: true, for: .lookBack)
      let key = try fixture.key(SpecialCall.neverRecorded.contactID)
      #expect(try await fixture.catalog.recording(key) == nil)
      #expect(try await fixture.catalog.job(of: key) == nil)
      let other = try fixture.key(SpecialCall.noMedia.contactID)
      #expect(try await fixture.catalog.job(of: other) != nil)
    }
  }

  @Test func `a restriction of one segment restricts the recording`() async throws {
    try await run { fixture, _, _ in
      #expect(try await archive(.restrictedCustomer, fixture).runState == .done)
      let key = try fixture.key(SpecialCall.restrictedCustomer.contactID)
      let facts = try await fixture.catalog.recording(key)?.facts
      #expect(facts?.privacy == .restricted && facts?.isPrivacyKnown == true)
    }
  }

  @Test(arguments: [
    [FaultRule(.cut, endpoint: .download, times: 1, afterBytes: 50_000)],
    [
      FaultRule(.cut, endpoint: .download, times: 1, afterBytes: 50_000),
      FaultRule(.addressLapsed, endpoint: .download, times: 1),
    ],
  ])
  func `a download survives broken connections and lapsed addresses`(faults: [FaultRule]) async throws {
    try await run(faults: faults) { fixture, tenant, _ in
      let job = try await archive(.holdAndMask, fixture)
      #expect(job.runState == .done)
      let sent = tenant.statistics.snapshot.recordings[SpecialCall.holdAndMask.id]
      // Only a lapsed address takes another media request.
      #expect(sent?.metadata == faults.count)
      let ranges = tenant.statistics.snapshot.recent.filter { $0.endpoint == .download }.compactMap(\.range)
      #expect(ranges.first == "bytes=0-" && ranges.count == faults.count + 1)
      #expect(ranges.dropFirst().allSatisfy { $0 != "bytes=0-" })
    }
  }

  @Test func `the file of the ACD is archived where there is no media`() async throws {
    try await run { fixture, tenant, _ in
      #expect(try await archive(.file, fixture).runState == .done)
      let part = try #require(
        try await fixture.catalog.archived(try fixture.key(SpecialCall.file.contactID))?.parts.first)
      let file = await tenant.mediaFile(.file)
      #expect(part.sourceBytes == file.map { Int64($0.count) })
    }
  }

  @Test func `no signed address is logged or stored`() async throws {
    let log = RecordedLog()
    let faults = [FaultRule(.cut, endpoint: .download, times: 1, afterBytes: 50_000)]
    try await run(faults: faults, log: log) { fixture, _, _ in
      #expect(try await archive(.holdAndMask, fixture).runState == .done)
      let levels: [Logger.Level] = [.trace, .debug, .info, .notice, .warning, .error]
      let texts = levels.flatMap { log.messages(at: $0) } + log.values
      #expect(!texts.isEmpty && !texts.contains { $0.contains("sandboxsignature") })
      for table in ["recording", "job", "job_part", "media_part", "log_entry", "webhook_message"] {
        let rows = try await fixture.database.read { db in
          "\(try db.rows(SQL(stringLiteral: "SELECT * FROM \(table)")))"
        }
        #expect(!rows.contains("sandboxsignature"), "\(table)")
      }
    }
  }
}
