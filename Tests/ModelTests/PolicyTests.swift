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

  /// Everything that anybody may do with a recording.
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
  func `who may do what with a recording`(rule: Rule) {
    let identity = Identity(kind: rule.kind, id: "x", name: "X", role: rule.role)
    for act in Self.acts {
      #expect(Policy.allows(act, by: identity, privacy: .standard) == rule.standard.contains(act))
      #expect(Policy.allows(act, by: identity, privacy: .restricted) == rule.restricted.contains(act))
    }
    #expect(Policy.clearance(of: identity) == (rule.restricted.contains(.ingest) ? .restricted : .standard))
  }

  @Test func `there is a rule for every kind of identity and every role`() {
    let ruled = Set(Self.rules.map { "\($0.kind) \($0.role)" })
    let all = Set(Self.kinds.flatMap { kind in Role.allCases.map { "\(kind) \($0)" } })
    #expect(ruled == all)
    #expect(Self.rules.count == all.count)
  }

  @Test func `the agent and the team behind an identity open nothing`() {
    let identity = Identity(kind: .token, id: "x", name: "X", role: .agent, agentID: "ag-1", team: "t-1")
    #expect(!Policy.allows(.hear, by: identity, privacy: .restricted))
  }

  @Test(arguments: [
    (Role.agent, true, false, false, false), (.supervisor, true, false, true, false), (.admin, true, true, true, true),
    (.metrics, false, false, false, true),
  ])
  func `what a role may see of the system`(
    role: Role, lists: Bool, administers: Bool, readsLog: Bool, readsMetrics: Bool
  ) {
    let identity = Identity(kind: .account, id: "x", name: "X", role: role)
    #expect(Policy.mayList(identity) == lists)
    #expect(Policy.mayAdminister(identity) == administers)
    #expect(Policy.mayReadAccessLog(identity) == readsLog)
    #expect(Policy.mayReadMetrics(identity) == readsMetrics)
  }
}
