import Foundation
import Model

extension PlatformRecording {
  /// Reads one recording of `recordings-v2`; nil only without a valid id.
  ///
  /// - Parameter id: used when the response has no id but the requested recording is known.
  init?(platformObject object: PlatformJSON.Object, id requested: RecordingID? = nil) {
    let id: RecordingID?
    if let text = PlatformJSON.text(object["id"]) { id = RecordingID(text) } else { id = requested }
    guard let id else { return nil }
    func text(_ name: String) -> String? { PlatformJSON.text(object[name])?.cut(toBytes: Self.maxTextLength) }
    func instant(_ name: String) -> Instant? { text(name).flatMap { Instant(iso8601: $0) } }
    self.init(
      id: id, status: PlatformStatus(platformValue: text("status")), privacy: Self.privacy(object["privacy"]),
      json: PlatformJSON.written(object))
    startTime = instant("startTime")
    endTime = instant("endTime")
    durationSeconds = PlatformJSON.wholeNumber(object["duration"]).flatMap { Int(exactly: $0) }
      .flatMap { (0...maxDuration).contains($0) ? $0 : nil }
    direction = text("direction").flatMap { Direction(rawValue: $0.lowercased()) }
    agentID = text("agentId")
    agentName = text("agentName")
    teamID = text("teamId")
    skillID = text("skillId")
    skillName = text("skillName")
    campaignID = text("campaignId")
    campaignName = text("campaignName")
    fromAddress = text("fromAddress")
    toAddress = text("toAddress")
    contactID = text("contactId")
    disposition = text("disposition")
    mediaType = text("mediaType")
  }

  /// Only an absent or null field is missing; a value of the wrong type counts as unknown, therefore restricted.
  private static func privacy(_ value: Any?) -> Privacy {
    switch value {
    case nil, is NSNull: Privacy(platformValue: nil)
    case let value as String: Privacy(platformValue: value)
    default: .restricted
    }
  }
}

/// Seconds in a year. A longer duration is an error of the platform and treated as unknown.
private let maxDuration = 31_536_000
