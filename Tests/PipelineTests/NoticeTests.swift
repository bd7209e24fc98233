import CXone
import Catalog
import Model
import Pipeline
import Sandbox
import TestKit
import Testing

/// Calls whose addresses the platform has erased, as lists and the look-back find them.
@Suite(.timeLimit(.minutes(5))) struct NoticeTests {
  private func erased(_ id: String, at time: String) throws -> PlatformRecording {
    try call(id, at: time) { $0.isAnonymized = true }
  }

  private func notices(_ catalog: Catalog) async throws -> [String] {
    try await catalog.notices(visibleTo: .everything, closed: true, limit: 100).map(\.key.id.rawValue)
  }

  @Test func `the look-back finds erased addresses of calls of any age, from where the last one ended`() async throws {
    let fixture = try await SchedulerFixture(plan: SyncPlan(overlap: .seconds(600), lookBackDays: 0))
    let old = try call("old", at: "2025-03-01T10:00:00Z")
    try await fixture.catalog.observe(old, of: RecordingKey(id: old.id))
    let changes = [
      try call("changed", at: "2025-03-01T09:00:00Z"), try erased("unknown", at: "2025-03-01T10:00:00Z"),
      try erased("old", at: "2025-03-01T10:00:00Z"),
    ]
    fixture.source.change { $0.changes = changes }
    let first = fixture.clock.now
    try await fixture.with([fixture.scheduler()]) {
      try await fixture.ended(.lookBack)
      #expect(try await notices(fixture.catalog) == ["old"])
      // Nothing else happens to it, and nothing to the others.
      #expect(try await fixture.catalog.recording(RecordingKey(id: old.id))?.facts == old)
      #expect(try await fixture.queued().isEmpty)
      try await fixture.advance(by: .seconds(3600))
      try await fixture.ended(.lookBack)
      #expect(try await notices(fixture.catalog) == ["old"])
    }
    let today = try fixture.instant("2026-01-15T00:00:00Z")
    #expect(fixture.source.changesSince == [today + .seconds(-600), first + .seconds(-600)])
  }

  @Test func `a source that does not list changes is not asked for them`() async throws {
    let fixture = try await SchedulerFixture(plan: SyncPlan(overlap: .seconds(600), lookBackDays: 0))
    try await fixture.with([fixture.scheduler()]) { try await fixture.ended(.lookBack) }
    #expect(fixture.source.changesSince.isEmpty)
  }

  @Test func `the list of a day with an erased call of the simulated tenant opens a notice`() async throws {
    try await SandboxSource.run(.mediaPlayback, { $0.callCount = 0 }, logger: .silent) { _, source in
      try await PipelineFixture.run(PipelineFixture.Options(source: source)) { fixture in
        let discovery = Discovery(catalog: fixture.catalog, source: source, plan: SyncPlan())
        let day = try #require(CalendarDay("2026-03-02", in: .utc))
        for _ in 0..<2 {
          try await discovery.check(day, now: fixture.system.now(), fetches: false, for: .check)
          #expect(try await notices(fixture.catalog) == [SpecialCall.anonymized.contactID])
        }
      }
    }
  }
}
