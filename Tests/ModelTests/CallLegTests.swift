import Foundation
import Model
import Testing

/// Rows of the legs of a call, folded into one recording.
@Suite struct CallLegTests {
  private let id = RecordingID("70")!

  private func row(
    _ leg: String, at seconds: Int, lasting: Int = 10, agent: String? = nil,
    _ change: (inout PlatformRecording) -> Void = { _ in }
  ) -> PlatformRecording {
    var row = PlatformRecording(
      id: id, status: .processing, privacy: .restricted,
      json: PlatformRecording.json(leg: leg, row: ["contactId": leg], wasRecorded: true))
    row.isPrivacyKnown = false
    row.wasRecorded = true
    row.leg = leg
    row.startTime = Instant(milliseconds: 1_768_000_000_000) + .seconds(seconds)
    row.endTime = row.startTime.map { $0 + .seconds(lasting) }
    row.agentID = agent
    change(&row)
    return row
  }

  private func legs(_ recording: PlatformRecording) -> Set<String> {
    let object = try? JSONSerialization.jsonObject(with: Data(recording.json.utf8)) as? [String: Any]
    return Set((object?["legs"] as? [String: Any] ?? [:]).keys)
  }

  private func folded(_ rows: [PlatformRecording]) -> PlatformRecording {
    rows.dropFirst().reduce(rows[0]) { call, row in row.folded(into: call) }
  }

  @Test func `the call has the facts of all legs, in whichever order they come`() {
    let rows = [
      row("70", at: 0, agent: "1") { $0.direction = .outbound }, row("71", at: 5, lasting: 30, agent: "2"),
      row("72", at: 20, agent: "3") { $0.direction = .inbound },
    ]
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
      let call = folded(order.map { rows[$0] })
      #expect(legs(call) == ["70", "71", "72"])
      #expect(call.startTime == rows[0].startTime && call.endTime == rows[1].endTime)
      #expect(call.durationSeconds == 35)
      #expect(call.agentID == "1" && call.direction == .outbound)
    }
  }

  @Test func `folding a row again changes nothing`() {
    let call = folded([row("70", at: 0), row("71", at: 5)])
    #expect(row("71", at: 5).folded(into: call).json == call.json)
    #expect(row("70", at: 0).folded(into: call).json == call.json)
  }

  @Test func `the last row of a leg counts`() {
    let first = row("70", at: 0) { $0.disposition = nil }
    let later = row("70", at: 0) {
      $0.disposition = "Sale"
      $0.json = PlatformRecording.json(leg: "70", row: ["contactId": "70", "tags": 1], wasRecorded: true)
    }
    let call = folded([first, later])
    #expect(call.disposition == "Sale" && call.json.contains("tags"))
  }

  @Test func `a call is recorded when any leg is, also when the other was listed before`() {
    let recorded = row("70", at: 0)
    let other = row("71", at: 5) {
      $0.wasRecorded = false
      $0.json = PlatformRecording.json(leg: "71", row: ["contactId": "71"], wasRecorded: false)
    }
    #expect(folded([recorded, other]).wasRecorded == true)
    #expect(folded([other, recorded]).wasRecorded == true)
    // As the catalog has it: only the JSON says so.
    var stored = recorded
    stored.wasRecorded = nil
    #expect(other.folded(into: stored).wasRecorded == true)
    #expect(SyncFilter(direction: nil).wants(other.folded(into: stored)))
    #expect(!SyncFilter(direction: nil).wants(other))
  }

  @Test func `what the media request reported stays`() {
    var known = row("70", at: 0)
    known.status = .available
    (known.privacy, known.isPrivacyKnown) = (.standard, true)
    let call = row("71", at: 5).folded(into: known)
    #expect(call.status == .available && call.privacy == .standard && call.isPrivacyKnown)
  }

  @Test func `erased addresses replace none`() {
    let known = row("70", at: 0) { $0.fromAddress = "+1" }
    let erased = row("70", at: 0) {
      $0.fromAddress = "nic_anonymize.com"
      $0.isAnonymized = true
    }
    let call = erased.folded(into: known)
    #expect(call.fromAddress == "+1" && call.json == known.json && call.wasRecorded == true)
  }

  @Test func `facts are completed, and none is replaced`() {
    var facts = PlatformRecording(id: id, status: .available, privacy: .restricted)
    facts.isPrivacyKnown = false
    facts.agentName = "Zoë"
    var known = PlatformRecording(id: id, status: .processing, privacy: .standard, json: #"{"a":1}"#)
    (known.agentName, known.skillName, known.direction) = ("Other", "Sales", .inbound)
    let all = facts.completed(by: known)
    #expect(all.agentName == "Zoë" && all.skillName == "Sales" && all.direction == .inbound)
    #expect(all.status == .available && all.json == #"{"a":1}"#)
    #expect(all.privacy == .standard && all.isPrivacyKnown)
  }
}
