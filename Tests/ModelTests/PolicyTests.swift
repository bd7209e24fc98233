import Model
import Testing

@Suite struct PolicyTests {
  struct Rule: Sendable {
    var kind: Identity.Kind
    var role: Role
    var standard: [Policy.Act]
    var restricted: [Policy.Act]
  }

  static let kinds: [Identity.Kind] = [.account, .token, .operator]
  static let acts: [Policy.Act] = [.ingest, .hear, .inspect]

  /// All actions on a recording that are allowed.
  static let rules: [Rule] =
    [Identity.Kind.account, .token].flatMap { kind in
      [
        Rule(kind: kind, role: .agent, standard: acts, restricted: []),
        Rule(kind: kind, role: .supervisor, standard: acts, restricted: acts),
        Rule(kind: kind, role: .admin, standard: acts, restricted: []),
        Rule(kind: kind, role: .metrics, standard: [], restricted: []),
      ]
    }
    + Role.allCases.map {
      Rule(kind: .operator, role: $0, standard: acts, restricted: [.ingest, .inspect])
    }

  @Test(arguments: rules)
  func `each kind and role is allowed its actions on a recording`(rule: Rule) {
    let identity = Identity(kind: rule.kind, id: "x", name: "X", role: rule.role)
    for act in Self.acts {
      #expect(Policy.allows(act, by: identity, privacy: .standard) == rule.standard.contains(act))
      #expect(Policy.allows(act, by: identity, privacy: .restricted) == rule.restricted.contains(act))
    }
    #expect(Policy.clearance(of: identity) == (rule.restricted.contains(.ingest) ? .restricted : .standard))
  }

  @Test(arguments: rules)
  func `the visibility of an identity follows from what it may inspect`(rule: Rule) {
    let identity = Identity(kind: rule.kind, id: "x", name: "X", role: rule.role)
    let visibility = identity.visibility
    let seesAnything = rule.standard.contains(.inspect)
    #expect(visibility.extent(of: .standard) == (seesAnything ? .facts : .nothing))
    let restricted: Visibility.Extent = rule.restricted.contains(.inspect) ? .facts : .existence
    #expect(visibility.extent(of: .restricted) == (seesAnything ? restricted : .nothing))
    #expect(visibility.showsAddresses == (rule.role != .agent) && visibility.showsLocations == (rule.role != .agent))
    #expect(visibility.agents == nil && visibility.teams == nil && visibility.sources == nil)
    #expect(visibility.listsAll(of: .default) == seesAnything)
  }

  @Test func `a recording outside a scope is not visible`() throws {
    let eu = try #require(SourceID("eu"))
    var facts = PlatformRecording(id: try #require(RecordingID("call-1")), status: .available, privacy: .standard)
    var scoped = Visibility.everything
    #expect(scoped.extent(of: facts, from: .default) == .facts)
    scoped.agents = ["ag-1"]
    #expect(scoped.extent(of: facts, from: .default) == .nothing)
    facts.agentID = "ag-1"
    #expect(scoped.extent(of: facts, from: .default) == .facts)
    scoped.teams = ["t-1"]
    #expect(scoped.extent(of: facts, from: .default) == .nothing)
    facts.teamID = "t-1"
    #expect(scoped.extent(of: facts, from: .default) == .facts)
    scoped.sources = [eu]
    #expect(scoped.extent(of: facts, from: .default) == .nothing)
    #expect(scoped.extent(of: facts, from: eu) == .facts)
    #expect(!scoped.listsAll(of: eu))
    facts.privacy = .restricted
    scoped.factsPrivacy = .standard
    #expect(scoped.extent(of: facts, from: eu) == .existence)
  }

  @Test func `every kind of identity and every role has a rule`() {
    let ruled = Set(Self.rules.map { "\($0.kind) \($0.role)" })
    let all = Set(Self.kinds.flatMap { kind in Role.allCases.map { "\(kind) \($0)" } })
    #expect(ruled == all)
    #expect(Self.rules.count == all.count)
  }

  @Test func `the agent and the team of an identity grant nothing`() {
    let identity = Identity(kind: .token, id: "x", name: "X", role: .agent, agentID: "ag-1", team: "t-1")
    #expect(!Policy.allows(.hear, by: identity, privacy: .restricted))
  }

  @Test(arguments: [
    (Role.agent, true, false, false, false), (.supervisor, true, false, true, false), (.admin, true, true, true, true),
    (.metrics, false, false, false, true),
  ])
  func `each role has its permissions`(
    role: Role, lists: Bool, administers: Bool, readsLog: Bool, readsMetrics: Bool
  ) {
    let identity = Identity(kind: .account, id: "x", name: "X", role: role)
    #expect(Policy.allows(.listRecordings, for: identity) == lists)
    #expect(Policy.allows(.administer, for: identity) == administers)
    #expect(Policy.allows(.readAccessLog, for: identity) == readsLog)
    #expect(Policy.allows(.readMetrics, for: identity) == readsMetrics)
  }
}
