import Foundation
import Model

extension PlatformRecording {
  /// Reads one recording of `recordings-v2`. Nil without an id of the right form; nothing else can be wrong with it.
  ///
  /// `id` stands in for one that the answer lacks, where it is known which recording was asked for.
  init?(platformObject object: PlatformJSON.Object, id asked: RecordingID? = nil) {
    let id: RecordingID?
    if let text = PlatformJSON.text(object["id"]) { id = RecordingID(text) } else { id = asked }
    guard let id else { return nil }
    func text(_ name: String) -> String? { PlatformJSON.text(object[name])?.cut(toBytes: Self.longestText) }
    func instant(_ name: String) -> Instant? { text(name).flatMap { Instant(iso8601: $0) } }
    self.init(
      id: id, status: PlatformStatus(platformValue: text("status")), privacy: Self.privacy(object["privacy"]),
      json: PlatformJSON.written(object))
    startTime = instant("startTime")
    endTime = instant("endTime")
    durationSeconds = PlatformJSON.wholeNumber(object["duration"]).flatMap { Int(exactly: $0) }
      .flatMap { (0...longestDuration).contains($0) ? $0 : nil }
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

  /// Only a field that is absent or null is missing; one of the wrong type is an unknown value, so restricted.
  private static func privacy(_ value: Any?) -> Privacy {
    switch value {
    case nil, is NSNull: Privacy(platformValue: nil)
    case let word as String: Privacy(platformValue: word)
    default: .restricted
    }
  }
}

/// Seconds in a year. No call is longer, so a longer one is told by mistake and not known.
private let longestDuration = 31_536_000
