import Model
import Testing

@Suite struct SyncFilterTests {
  private func call(_ direction: Direction?, agent: String? = nil) -> PlatformRecording {
    var call = PlatformRecording(id: RecordingID("call-1")!, status: .available, privacy: .standard)
    call.direction = direction
    call.agentID = agent
    return call
  }

  @Test func `calls of another direction are excluded, calls of an unknown one are not`() {
    let outbound = SyncFilter()
    #expect(outbound.wants(call(.outbound)) && outbound.wants(call(nil)))
    #expect(!outbound.wants(call(.inbound)) && !outbound.wants(call(.internal)))
    let everything = SyncFilter(direction: nil)
    #expect(Direction.allCases.allSatisfy { everything.wants(call($0)) })
  }

  @Test func `with listed agents only their calls are included`() {
    let filter = SyncFilter(direction: nil, agentIDs: ["1001", "1002"])
    #expect(filter.wants(call(.inbound, agent: "1001")) && filter.wants(call(nil, agent: "1002")))
    #expect(!filter.wants(call(.outbound, agent: "1003")) && !filter.wants(call(.outbound)))
  }

  @Test func `the canonical text is equal exactly for equal filters`() {
    #expect(
      SyncFilter(agentIDs: ["1", "2", "10"]).canonical == SyncFilter(agentIDs: ["10", "2", "1"]).canonical)
    let others = [
      SyncFilter(), SyncFilter(direction: nil), SyncFilter(direction: .inbound), SyncFilter(agentIDs: ["1", "2"]),
      SyncFilter(agentIDs: ["12"]), SyncFilter(agentIDs: ["1 1:2"]), SyncFilter(agentIDs: ["1, 2"]),
      SyncFilter(direction: nil, agentIDs: ["1", "2"]), SyncFilter(agentIDs: [""]),
    ]
    #expect(Set(others.map(\.canonical)).count == others.count)
  }

  @Test func `a filter has a readable description`() {
    #expect(SyncFilter().description == "outbound calls")
    #expect(SyncFilter(direction: nil).description == "all calls")
    #expect(
      SyncFilter(direction: .inbound, agentIDs: ["2", "10"]).description == "inbound calls of agents 10, 2")
  }
}
