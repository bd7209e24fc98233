import Foundation
import Model

extension PlatformRecording {
  /// Reads one recording of `recordings-v2`, and notes the fields of the row that are not understood.
  init(_ row: inout PlatformRow, id: RecordingID) {
    let whole = row.json
    if Redactor.shared.redactSecrets(whole) != whole { row.redact() }
    let object = row.fields
    func text(_ name: String) -> String? { PlatformJSON.text(object[name])?.cut(toBytes: Self.maxTextLength) }
    func name(_ name: String) -> String? { text(name)?.withoutControls }
    func sent(_ name: String) -> Any? { object[name].flatMap { $0 is NSNull || $0 as? String == "" ? nil : $0 } }
    func read<Value>(_ name: String, _ read: (Any) -> Value?) -> Value? {
      guard let value = sent(name) else { return nil }
      let known = read(value)
      if known == nil { row.note(name) }
      return known
    }
    let status = sent("status").map { text("status") ?? PlatformJSON.written($0) }
    self.init(
      id: id, status: PlatformStatus(platformValue: status),
      privacy: object["privacy"].map { Privacy(platformJSON: $0) } ?? Privacy(platformValue: nil),
      json: row.json)
    unknownStatus = status.flatMap { PlatformStatus(knownValue: $0) == nil ? String($0.prefix(60)).onOneLine : nil }
    startTime = read("startTime") { Instant(platformValue: $0) }
    endTime = read("endTime") { Instant(platformValue: $0) }
    durationSeconds = read("duration", PlatformDuration.seconds)
    direction = text("direction").flatMap { Direction(rawValue: $0.lowercased()) }
    agentID = text("agentId")
    agentName = name("agentName")
    teamID = text("teamId")
    skillID = text("skillId")
    skillName = name("skillName")
    campaignID = text("campaignId")
    campaignName = name("campaignName")
    fromAddress = text("fromAddress")
    toAddress = text("toAddress")
    contactID = text("contactId")
    disposition = text("disposition")
    mediaType = text("mediaType")
  }
}
