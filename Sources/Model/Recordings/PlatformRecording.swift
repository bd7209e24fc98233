/// The platform's state of a recording.
package enum PlatformStatus: String, Sendable, Codable {
  case processing, available, failed

  /// Reads the platform's value in any case; an unknown or missing value means `processing`.
  package init(platformValue: String?) {
    self = platformValue.flatMap(Self.init(knownValue:)) ?? .processing
  }

  /// Reads one of the values with a known meaning, also between spaces and invisible characters; nil for any other.
  package init?(knownValue: String) {
    func isSpace(_ scalar: Unicode.Scalar) -> Bool { scalar.properties.isWhitespace || scalar.misleadsInLine }
    let word = knownValue.unicodeScalars.drop(while: isSpace).reversed().drop(while: isSpace).reversed()
    switch String(String.UnicodeScalarView(word)).lowercased() {
    case "processing": self = .processing
    case "available", "completed", "ready": self = .available
    case "failed": self = .failed
    default: return nil
    }
  }
}

/// The direction of a call.
package enum Direction: String, Sendable, Codable, CaseIterable { case outbound, inbound, `internal` }

/// The platform's metadata of one recording. Every field except ID, status and privacy can be missing.
package struct PlatformRecording: Sendable, Equatable {
  /// Bytes of UTF-8 that are kept of an ID, a name or an address; `json` has the full text. Databases refuse texts that
  /// are too long for their indexes (PostgreSQL: 2,704 bytes), and one such row would block every later sync.
  package static let maxTextLength = 500

  package var id: RecordingID
  package var status: PlatformStatus
  package var privacy: Privacy
  /// Whether the platform has reported the privacy. While it has not, `privacy` is `restricted`, and the first value
  /// that is reported replaces it, also a less strict one.
  package var isPrivacyKnown = true
  /// Whether the call was recorded, as the platform says; not stored.
  package var wasRecorded: Bool?
  /// The ID of the leg of the call that a row of a list describes; nil where lists have one row for each call. Not
  /// stored as such: `json` has the rows of all legs.
  package var leg: String?
  /// Whether the platform has erased the addresses; not stored.
  package var isAnonymized = false
  /// The platform's word for the status when its meaning is unknown; read from a response only, not stored.
  package var unknownStatus: String?
  package var startTime: Instant?
  package var endTime: Instant?
  /// The platform's duration of the call in whole seconds.
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
  /// The response as JSON text, including unknown fields.
  package var json: String

  package init(id: RecordingID, status: PlatformStatus, privacy: Privacy, json: String = "{}") {
    self.id = id
    self.status = status
    self.privacy = privacy
    self.json = json
  }
}

/// Which calls to list on the platform. The interval is half open: `start` is included, `end` is not.
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
