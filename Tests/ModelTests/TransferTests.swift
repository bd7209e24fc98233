import Model
import Testing

/// A call that goes on under another master contact.
@Suite struct TransferTests {
  private func call(
    _ id: String, from start: Int, to end: Int, row: [String: String] = [:],
    _ change: (inout PlatformRecording) -> Void = { _ in }
  ) -> PlatformRecording {
    var call = PlatformRecording(
      id: RecordingID(id)!, status: .available, privacy: .standard,
      json: PlatformRecording.json(leg: id, row: row, wasRecorded: true))
    let noon = Instant(iso8601: "2026-01-15T12:00:00Z")!
    (call.startTime, call.endTime) = (noon + .seconds(start), noon + .seconds(end))
    (call.direction, call.fromAddress, call.toAddress) = (.outbound, "+15550100", "+15550123")
    change(&call)
    return call
  }

  private let transfer = ["transferIndicatorName": "Cold Transfer"]

  @Test(
    arguments: [
      (["transferIndicatorName": "Cold Transfer"], true), (["TransferIndicatorName": "warm"], true),
      (["transferIndicatorName": "None", "endReason": "Transferred"], true),
      (["transferIndicatorName": "None", "endReason": "Contact Hung Up"], false),
      (["transferIndicatorName": ""], false),
      ([:], false),
    ] as [([String: String], Bool)])
  func `a call goes on only after a transfer`(row: [String: String], goesOn: Bool) {
    #expect(call("1", from: 0, to: 60, row: row).goesOn(in: call("2", from: 60, to: 90)) == goesOn)
  }

  @Test(arguments: [(55, true), (65, true), (54, false), (66, false)])
  func `the other call begins within five seconds of its end`(start: Int, goesOn: Bool) {
    #expect(call("1", from: 0, to: 60, row: transfer).goesOn(in: call("2", from: start, to: 90)) == goesOn)
  }

  @Test func `the customer is the same, in whichever direction`() {
    let first = call("1", from: 0, to: 60, row: transfer)
    #expect(!first.goesOn(in: call("2", from: 60, to: 90) { $0.toAddress = "+15550199" }))
    #expect(!first.goesOn(in: call("2", from: 60, to: 90) { $0.toAddress = nil }))
    #expect(
      first.goesOn(
        in: call("2", from: 60, to: 90) {
          ($0.direction, $0.fromAddress, $0.toAddress) = (.inbound, "+15550123", "+15550100")
        }))
    func erased(_ call: inout PlatformRecording) { call.toAddress = "nic_anonymize.com" }
    #expect(!call("1", from: 0, to: 60, row: transfer, erased).goesOn(in: call("2", from: 60, to: 90, erased)))
  }

  @Test func `a call does not go on in itself, nor without the times`() {
    let first = call("1", from: 0, to: 0, row: transfer)
    #expect(!first.goesOn(in: first))
    #expect(!first.goesOn(in: call("2", from: 0, to: 9) { $0.startTime = nil }))
  }
}
