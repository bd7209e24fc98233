import CXone
import Catalog
import Foundation
import Logging
import Model
import NIOPosix
import Pipeline
import Sandbox
import SystemPackage
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

  @Test func `two nodes ask for the media of each call once`() async throws {
    try await SandboxSource.run(.mediaPlayback, nodes: 2) { tenant, sources in
      try await PipelineFixture.run(PipelineFixture.Options(source: sources[0])) { fixture in
        let spool = try Spool(
          folder: fixture.folder.appending("spool-2"), quarantine: fixture.folder.appending("quarantine-2"),
          threads: .singleton)
        let other = fixture.ingest(on: fixture.database, spool: spool, source: sources[1])
        let calls = tenant.recordings.filter {
          !$0.isHidden && $0.availability == .immediately && $0.totalBytes < 1_000_000 && !$0.id.hasPrefix("media-")
        }.prefix(12)
        try #require(calls.count == 12)
        try await withServices([
          Worker(ingest: fixture.ingest, limits: .init(transfers: 2)),
          Worker(ingest: other, limits: .init(transfers: 2)),
        ]) {
          for call in calls { try await fixture.request(call.contactID, clearance: .restricted) }
          for call in calls {
            let job = try await fixture.job(call.contactID) { $0.runState == .done || $0.runState == .failed }
            #expect(job.runState == .done, "\(job.failure?.message ?? "")")
          }
        }
        let counts = tenant.statistics.snapshot.recordings
        #expect(calls.allSatisfy { counts[$0.id]?.metadata == 1 })
      }
    }
  }

  @Test(arguments: [SpecialCall.mp3, .screen, .elevatedChat, .stopOnDemand])
  func `the media of a call is archived, whatever else the call has`(call: SpecialCall) async throws {
    try await run { fixture, tenant, _ in
      let job = try await archive(call, fixture)
      #expect(job.runState == .done, "\(job.failure?.message ?? "")")
      let part = try #require(try await fixture.catalog.archived(try fixture.key(call.contactID))?.parts.first)
      let file = await tenant.mediaFile(call)
      #expect(part.sourceBytes == file.map { Int64($0.count) })
    }
  }

  @Test func `a call that goes on under another master contact is linked to it`() async throws {
    try await run { fixture, _, source in
      let discovery = Discovery(catalog: fixture.catalog, source: source, plan: Self.plan)
      let day = try #require(CalendarDay("2026-03-02", in: .utc))
      try await discovery.check(day, now: fixture.system.now(), fetches: false, for: .check)
      let first = try fixture.key(SpecialCall.transferredOn.contactID)
      let second = try fixture.key(SpecialCall.transferTarget.contactID)
      let visibility = Identity(kind: .operator, id: "operator:0", name: "operator", role: .admin).visibility
      let row = try #require(try await fixture.catalog.recording(first))
      #expect(try await fixture.catalog.relatedCalls(of: row, visibleTo: visibility).after == [second])
      let next = try #require(try await fixture.catalog.recording(second))
      #expect(try await fixture.catalog.relatedCalls(of: next, visibleTo: visibility).before == [first])
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

  @Test func `a call of two parts fails with a reason`() async throws {
    try await run { fixture, _, _ in
      let job = try await archive(.twoParts, fixture)
      #expect(job.failure?.message.contains("2 media files") == true)
    }
  }

  @Test func `a call of which a part is missing is not archived as if it were whole`() async throws {
    try await run { fixture, _, _ in
      let job = try await archive(.missingPart, fixture)
      #expect(job.failure?.code == .neverAvailable)
      #expect(job.failure?.message.contains("no media for 1 of the 2 parts") == true)
      let key = try fixture.key(SpecialCall.missingPart.contactID)
      #expect(try await fixture.catalog.archived(key)?.parts.isEmpty == true)
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
