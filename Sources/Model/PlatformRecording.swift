/// How far the platform is with a recording.
package enum PlatformStatus: String, Sendable, Codable {
  case processing, available, failed

  /// Reads the platform's word; an unknown or missing one counts as "not yet".
  package init(platformValue: String?) {
    self = platformValue.flatMap(PlatformStatus.init(rawValue:)) ?? .processing
  }
}

/// Which way a call went.
package enum Direction: String, Sendable, Codable, CaseIterable { case outbound, inbound, `internal` }

/// What the platform says about one recording. Every field but id, status and privacy may be missing.
package struct PlatformRecording: Sendable, Equatable {
  /// Bytes of UTF-8 that are kept of an id, a name or an address; `json` has all of it. A database refuses rows whose
  /// texts are too long for its indexes (PostgreSQL's keys end at 2,704 bytes), and one such row would stop a sync for good.
  package static let longestText = 500

  package var id: RecordingID
  package var status: PlatformStatus
  package var privacy: Privacy
  package var startTime: Instant?
  package var endTime: Instant?
  /// The platform's figure of the call's length in whole seconds.
  package var durationSeconds: Int?
  package var direction: Direction?
  package var agentID: String?
  package var agentName: String?
  package var teamID: String?
  package var skillID: String?
  package var skillName: String?
  package var campaignID: String?
  package var campaignName: String?
  package var fromAddress: String?
  package var toAddress: String?
  package var contactID: String?
  package var disposition: String?
  package var mediaType: String?
  /// The answer as it came, as JSON text, unknown fields included.
  package var json: String

  package init(id: RecordingID, status: PlatformStatus, privacy: Privacy, json: String = "{}") {
    self.id = id
    self.status = status
    self.privacy = privacy
    self.json = json
  }
}

/// Which calls to look for on the platform. The interval is half open: `start` belongs to it, `end` does not.
package struct RecordingQuery: Sendable, Equatable {
  package var start: Instant
  package var end: Instant
  package var direction: Direction?
  package var agentID: String?

  package init(start: Instant, end: Instant, direction: Direction? = nil, agentID: String? = nil) {
    self.start = start
    self.end = end
    self.direction = direction
    self.agentID = agentID
  }
}
