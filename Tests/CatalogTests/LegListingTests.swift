import Catalog
import Foundation
import Model
import TestKit
import Testing

/// Lists with a row for each leg of a call, whose privacy is known only when its media is located.
@Suite struct LegListingTests {
  /// Set by each test, since the database is a test argument.
  private var test: TestCatalog!
  private let day = Period(
    start: Instant(iso8601: "2026-01-14T00:00:00Z")!, end: Instant(iso8601: "2026-01-15T00:00:00Z")!)

  private func leg(
    _ leg: String, of call: String = "70", at time: String = "10:00:00", isRecorded: Bool = true,
    _ change: (inout PlatformRecording) -> Void = { _ in }
  ) -> PlatformRecording {
    var row = PlatformRecording(
      id: RecordingID(call)!, status: .processing, privacy: .restricted,
      json: PlatformRecording.json(leg: leg, row: ["contactId": leg], wasRecorded: isRecorded))
    row.isPrivacyKnown = false
    row.wasRecorded = isRecorded
    row.leg = leg
    row.startTime = Instant(iso8601: "2026-01-14T\(time)Z")
    row.direction = .outbound
    change(&row)
    return row
  }

  @discardableResult
  private func discover(_ page: PlatformRecording...) async throws -> Int {
    try await test.catalog.discover(
      page, in: day, of: .default, expected: SyncFilter(), fetched: SyncFilter(), for: .sync)
  }

  private func recording(_ id: String = "70") async throws -> RecordingRow? {
    try await test.catalog.recording(try key(id))
  }

  private func legs(_ row: RecordingRow?) -> Set<String> {
    let object = try? JSONSerialization.jsonObject(with: Data((row?.facts.json ?? "").utf8)) as? [String: Any]
    return Set((object?["legs"] as? [String: Any] ?? [:]).keys)
  }

  private func isWanted(_ id: String) async throws -> Bool? {
    try await test.database.read { db in
      try db.row("SELECT wanted FROM recording WHERE platform_id = \(id)")?.int("wanted") == 1
    }
  }

  @Test(arguments: DatabaseKind.allCases)
  mutating func `legs on one page and on several are one recording with one job`(kind: DatabaseKind) async throws {
    test = try await TestCatalog(kind)
    #expect(try await discover(leg("70"), leg("71", at: "10:00:05")) == 1)
    #expect(try await discover(leg("72", at: "09:59:50")) == 0)
    #expect(try await test.count("recording") == 1)
    #expect(try await test.count("job") == 1)
    let row = try await recording()
    #expect(legs(row) == ["70", "71", "72"])
    #expect(row?.facts.startTime == Instant(iso8601: "2026-01-14T09:59:50Z"))
  }

  @Test(arguments: DatabaseKind.allCases)
  mutating func `a leg that is listed again neither changes the recording nor hides other legs`(
    kind: DatabaseKind
  ) async throws {
    test = try await TestCatalog(kind)
    try await discover(leg("70"), leg("71", at: "10:00:05"))
    let before = try #require(try await recording()).facts
    try await discover(leg("71", at: "10:00:05"))
    try await discover(leg("70"))
    #expect(try await recording()?.facts == before)
  }

  @Test(arguments: DatabaseKind.allCases)
  mutating func `a leg of another direction, or without a recording, does not make the call unwanted`(
    kind: DatabaseKind
  ) async throws {
    test = try await TestCatalog(kind)
    try await discover(leg("70"))
    try await discover(leg("71", at: "10:00:05", isRecorded: false) { $0.direction = .inbound })
    #expect(try await isWanted("70") == true)
    // On its own it is not stored.
    try await discover(leg("81", of: "80", isRecorded: false))
    #expect(try await recording("80") == nil)
    #expect(try await test.count("job") == 1)
  }

  @Test(arguments: DatabaseKind.allCases)
  mutating func `an unwanted call of unknown privacy is not remembered as restricted`(kind: DatabaseKind) async throws {
    test = try await TestCatalog(kind)
    try await discover(leg("90", of: "90") { $0.direction = .inbound })
    #expect(try await test.count("restricted_listing") == 0)
  }

  @Test(arguments: DatabaseKind.allCases)
  mutating func `erased addresses replace none`(kind: DatabaseKind) async throws {
    test = try await TestCatalog(kind)
    try await discover(leg("70") { $0.fromAddress = "+15550100" })
    try await discover(
      leg("70") {
        $0.fromAddress = "nic_anonymize.com"
        $0.isAnonymized = true
      })
    #expect(try await recording()?.facts.fromAddress == "+15550100")
  }

  @Test(arguments: DatabaseKind.allCases)
  mutating func `a call that goes on under another master is linked in both directions`(
    kind: DatabaseKind
  ) async throws {
    test = try await TestCatalog(kind)
    func part(_ id: String, at time: String, until end: String, to number: String = "+15550123") -> PlatformRecording {
      leg(id, of: id, at: time) {
        ($0.endTime, $0.toAddress, $0.privacy) = (Instant(iso8601: "2026-01-14T\(end)Z"), number, .standard)
        $0.isPrivacyKnown = true
        $0.json = PlatformRecording.json(leg: id, row: ["transferIndicatorName": "Warm"], wasRecorded: true)
      }
    }
    try await discover(
      part("70", at: "10:00:00", until: "10:05:00"), part("80", at: "10:05:02", until: "10:07:00"),
      part("90", at: "10:05:00", until: "10:06:00", to: "+15550199"), part("60", at: "09:00:00", until: "10:06:59"))
    let visibility = Identity(kind: .operator, id: "operator:0", name: "operator", role: .admin).visibility
    /// What it continues, and what it goes on in.
    func related(_ id: String) async throws -> [[String]] {
      let row = try #require(try await recording(id))
      let found = try await test.catalog.relatedCalls(of: row, visibleTo: visibility)
      return [found.before.map(\.id.rawValue), found.after.map(\.id.rawValue)]
    }
    #expect(try await related("70") == [[], ["80"]])
    #expect(try await related("80") == [["70"], []])
    #expect(try await related("90") == [[], []])
    #expect(try await related("60") == [[], []])
  }

  // MARK: Privacy

  @Test(arguments: DatabaseKind.allCases, Privacy.allCases)
  mutating func `the first privacy that is reported replaces an unknown one`(
    kind: DatabaseKind, privacy: Privacy
  ) async throws {
    test = try await TestCatalog(kind)
    try await discover(leg("70"))
    #expect(try await recording()?.facts.privacy == .restricted)
    #expect(try await recording()?.facts.isPrivacyKnown == false)
    var located = try #require(try await recording()).facts
    (located.privacy, located.isPrivacyKnown, located.status) = (privacy, true, .available)
    try await test.catalog.observe(located, of: try key("70"))
    #expect(try await recording()?.facts.privacy == privacy)
    // A list does not know it, and changes neither privacy nor status.
    try await discover(leg("70"), leg("71", at: "10:00:05"))
    let facts = try await recording()?.facts
    #expect(facts?.privacy == privacy && facts?.isPrivacyKnown == true && facts?.status == .available)
  }

  @Test(arguments: DatabaseKind.allCases)
  mutating func `a known privacy only becomes stricter`(kind: DatabaseKind) async throws {
    test = try await TestCatalog(kind)
    var facts = leg("70")
    (facts.leg, facts.isPrivacyKnown) = (nil, true)
    let steps = [(Privacy.standard, Privacy.standard), (.restricted, .restricted), (.standard, .restricted)]
    for (privacy, expected) in steps {
      facts.privacy = privacy
      try await test.catalog.observe(facts, of: try key("70"))
      #expect(try await recording()?.facts.privacy == expected)
    }
  }
}
