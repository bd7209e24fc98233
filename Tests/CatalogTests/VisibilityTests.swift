import Catalog
import Model
import Testing

/// Queries return exactly what `Policy` allows, for random recordings, identities, scopes and filters.
@Suite(.serialized) struct VisibilityTests {
  /// A visibility, and the rule that it must agree with.
  struct Viewer {
    var visibility: Visibility
    var extent: @Sendable (PlatformRecording, SourceID) -> Visibility.Extent
  }

  struct Call {
    var key: RecordingKey
    var facts: PlatformRecording
    var status = ListedStatus.known
  }

  static let sources = [SourceID.default, SourceID("eu")!]
  static let agents = ["ag-1", "ag-2", "ag-3"]
  static let teams = ["t-1", "t-2"]
  static let failure = TapedeckError(.neverAvailable)

  private let day: CalendarDay

  init() throws { day = try #require(CalendarDay("2026-01-14", in: .utc)) }

  @Test(arguments: DatabaseKind.allCases, [UInt64(1), 2, 3])
  func `queries return what the policy allows`(kind: DatabaseKind, seed: UInt64) async throws {
    var random = SeededRandom(seed: seed)
    let test = try await TestCatalog(kind)
    let calls = try await makeCalls(test, &random)
    for viewer in viewers(&random) {
      for filter in filters(&random) { try await checkRecordings(test, calls, viewer, filter) }
      try await checkJobs(test, calls, viewer)
      try await checkCoverage(test, calls, viewer)
    }
  }

  // MARK: Checks

  private func checkRecordings(
    _ test: TestCatalog, _ calls: [Call], _ viewer: Viewer, _ filter: RecordingFilter
  ) async throws {
    let comparesFacts = filter.text != nil || filter.agent != nil || filter.direction != nil || filter.from != nil
    let expected = calls.filter { call in
      viewer.extent(call.facts, call.key.source) >= (comparesFacts ? .facts : .existence)
        && matches(call, filter, searchesAddresses: viewer.visibility.showsAddresses)
    }
    let found = try await test.catalog.recordings(
      matching: filter, visibleTo: viewer.visibility, after: nil, limit: 1000)
    // Calls are made in the order of their start times; lists are newest first.
    #expect(found.map(\.recording.key) == expected.map(\.key).reversed(), "\(viewer.visibility) \(filter)")
  }

  private func matches(_ call: Call, _ filter: RecordingFilter, searchesAddresses: Bool) -> Bool {
    if let text = filter.text {
      let isInAddress = searchesAddresses && call.facts.fromAddress?.contains(text) == true
      guard call.facts.agentName == text || isInAddress else { return false }
    }
    if let source = filter.source, source != call.key.source { return false }
    if let agent = filter.agent, agent != call.facts.agentID { return false }
    if let direction = filter.direction, direction != call.facts.direction { return false }
    if let privacy = filter.privacy, privacy != call.facts.privacy { return false }
    if let status = filter.status, status != call.status { return false }
    if let from = filter.from, let start = call.facts.startTime, start < from { return false }
    return true
  }

  private func checkJobs(_ test: TestCatalog, _ calls: [Call], _ viewer: Viewer) async throws {
    for code in [nil, Self.failure.code] {
      let expected = calls.filter { call in
        let isListed =
          viewer.extent(call.facts, call.key.source) >= (code == nil ? .existence : .facts) && call.status != .known
        return isListed && (code == nil || call.status == .failed)
      }
      var filter = JobFilter()
      filter.code = code
      let found = try await test.catalog.jobs(
        matching: filter, visibleTo: viewer.visibility, before: nil, limit: 1000)
      #expect(Set(found.map(\.job.key)) == Set(expected.map(\.key)), "\(viewer.visibility)")
    }
    let unfinished = calls.filter {
      viewer.extent($0.facts, $0.key.source) >= .existence && $0.status == .underway
    }
    let counts = try await test.catalog.unfinishedJobCounts(visibleTo: viewer.visibility)
    #expect(
      Dictionary(counts.map { ($0.source, Int($0.count)) }) { $0 + $1 }
        == Dictionary(grouping: unfinished, by: \.key.source).mapValues(\.count), "\(viewer.visibility)")
  }

  private func checkCoverage(_ test: TestCatalog, _ calls: [Call], _ viewer: Viewer) async throws {
    for source in Self.sources {
      let calls = calls.filter { $0.key.source == source }
      func visible(_ extent: Visibility.Extent) -> [Call] {
        calls.filter { viewer.extent($0.facts, source) >= extent }
      }
      let gaps = try await test.catalog.coverageGaps(
        of: source, in: day.period, visibleTo: viewer.visibility, after: nil, limit: 1000)
      #expect(Set(gaps.map(\.key)) == Set(visible(.facts).map(\.key)), "\(viewer.visibility)")
      let coverage = try #require(
        try await test.catalog.coverage(
          of: SyncPlan(source: source, filter: .all), on: [day], visibleTo: viewer.visibility
        ).first)
      #expect(coverage.expected == Int64(visible(.existence).count), "\(viewer.visibility)")
      #expect(coverage.count(.waiting) == Int64(visible(.existence).count { $0.status == .underway }))
      // The figure of the platform includes recordings that are not visible.
      let seesAll = viewer.visibility.listsAll(of: source)
      #expect(coverage.reported == (seesAll ? Int64(calls.count) : nil), "\(viewer.visibility)")
    }
  }

  // MARK: Random values

  /// Sixty expected recordings: a third has a failed job, a third an unfinished one.
  private func makeCalls(_ test: TestCatalog, _ random: inout SeededRandom) async throws -> [Call] {
    var calls: [Call] = []
    for number in 0..<60 {
      let source = try #require(Self.sources.randomElement(using: &random))
      let key = RecordingKey(source: source, id: try #require(RecordingID("call-\(number)")))
      var facts = test.facts(key.id.rawValue, privacy: Bool.random(using: &random) ? .standard : .restricted)
      facts.startTime = day.start + .seconds(number * 600)
      facts.agentID = Bool.random(using: &random) ? Self.agents.randomElement(using: &random) : nil
      facts.teamID = Bool.random(using: &random) ? Self.teams.randomElement(using: &random) : nil
      facts.direction = Direction.allCases.randomElement(using: &random)
      facts.agentName = ["anna", "berta", "7946"].randomElement(using: &random)
      facts.fromAddress = ["+44 20 7946", "+44 20 1234"].randomElement(using: &random)
      calls.append(Call(key: key, facts: facts))
      switch number {
      case 0..<20:
        try await test.request(key.pathSegment)
        try await test.catalog.release(try await test.claim().lease, .fail(Self.failure))
        calls[number].status = .failed
      case 20..<40:
        try await test.request(key.pathSegment)
        calls[number].status = .underway
      default: break
      }
    }
    for source in Self.sources {
      let plan = SyncPlan(source: source, filter: .all)
      try await test.catalog.discover(
        calls.filter { $0.key.source == source }.map(\.facts), in: day.period, of: source, expected: plan.filter,
        fetched: nil, for: .check)
      try await test.catalog.recordCheck(of: day, by: plan, unwanted: 0, startedAt: try await test.catalog.now())
    }
    return calls
  }

  /// Each kind and role without scopes, whose rule is `Policy` itself, and with random ones.
  private func viewers(_ random: inout SeededRandom) -> [Viewer] {
    var viewers: [Viewer] = []
    for kind in [Identity.Kind.account, .operator] {
      for role in Role.allCases {
        let identity = Identity(kind: kind, id: "x", name: "X", role: role)
        viewers.append(
          Viewer(visibility: identity.visibility) { facts, _ in
            if Policy.allows(.inspect, by: identity, privacy: facts.privacy) { return .facts }
            return Policy.allows(.inspect, by: identity, privacy: .standard) ? .existence : .nothing
          })
        for _ in 0..<2 {
          var visibility = identity.visibility
          visibility.agents = subset(of: Self.agents, &random)
          visibility.teams = subset(of: Self.teams, &random)
          visibility.sources = subset(of: Self.sources, &random)
          viewers.append(Viewer(visibility: visibility) { [visibility] in visibility.extent(of: $0, from: $1) })
        }
      }
    }
    return viewers
  }

  /// Half of the time nil, otherwise any subset, also the empty one.
  private func subset<T: Hashable>(of all: [T], _ random: inout SeededRandom) -> Set<T>? {
    Bool.random(using: &random) ? nil : Set(all.filter { _ in Bool.random(using: &random) })
  }

  /// The empty filter, a filter by each field, and two by random fields.
  private func filters(_ random: inout SeededRandom) -> [RecordingFilter] {
    let one = (0..<8).map { [$0] }
    let several = (0..<2).map { _ in (0..<8).filter { _ in Int.random(in: 0..<3, using: &random) == 0 } }
    return (one + several).map { fields in
      var filter = RecordingFilter()
      for field in fields {
        switch field {
        case 1: filter.source = Self.sources.randomElement(using: &random)
        case 2: filter.privacy = Privacy.allCases.randomElement(using: &random)
        case 3: filter.status = [.known, .failed, .underway].randomElement(using: &random)
        case 4: filter.direction = Direction.allCases.randomElement(using: &random)
        case 5: filter.agent = Self.agents.randomElement(using: &random)
        case 6: filter.text = ["anna", "7946"].randomElement(using: &random)
        case 7: filter.from = day.start + .seconds(12_000)
        default: break
        }
      }
      return filter
    }
  }
}

extension SyncFilter {
  /// Every call.
  fileprivate static let all = SyncFilter(direction: nil)
}
