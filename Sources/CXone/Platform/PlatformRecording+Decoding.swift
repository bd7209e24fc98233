import Foundation
import Model

extension PlatformRecording {
  /// Reads one recording of `recordings-v2`, and notes the fields of the row that are not understood.
  init(_ row: inout PlatformRow, id: RecordingID) {
    let sent = row.json
    if Redactor.shared.redactSecrets(sent) != sent { row.redact() }
    let object = row.fields
    func text(_ name: String) -> String? { PlatformJSON.text(object[name])?.cut(toBytes: Self.maxTextLength) }
    func name(_ name: String) -> String? { text(name)?.withoutControls }
    func instant(_ name: String) -> Instant? {
      guard let value = object[name], !(value is NSNull), value as? String != "" else { return nil }
      let moment = Instant(platformValue: value)
      if moment == nil { row.note(name) }
      return moment
    }
    self.init(
      id: id, status: PlatformStatus(platformValue: text("status")),
      privacy: object["privacy"].map { Privacy(platformJSON: $0) } ?? Privacy(platformValue: nil),
      json: row.json)
    unknownStatus = text("status").flatMap { PlatformStatus(knownValue: $0) == nil ? String($0.prefix(60)) : nil }
    startTime = instant("startTime")
    endTime = instant("endTime")
    durationSeconds = PlatformJSON.wholeNumber(object["duration"]).flatMap { Int(exactly: $0) }
      .flatMap { (0...maxDuration).contains($0) ? $0 : nil }
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

/// Seconds in a year. A longer duration is an error of the platform and treated as unknown.
private let maxDuration = 31_536_000
