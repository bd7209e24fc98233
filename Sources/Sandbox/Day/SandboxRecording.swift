package import Model

/// One recording of the simulated tenant: its facts, how it is coded, and when it can be had.
package struct SandboxRecording: Sendable, Equatable {
  /// When a recording can be downloaded.
  package enum Availability: Sendable, Equatable {
    case immediately
    /// So long after somebody first asked for its metadata.
    case afterFirstAsked(Duration)
    /// So long after the tenant was made.
    case afterStart(Duration)
    /// It stays `processing` for ever.
    case never
    /// It is `failed` for ever.
    case failed
  }

  package var id: String
  package var startTime: Instant
  /// The platform's figure, rounded to whole seconds.
  package var durationSeconds: Int
  package var direction: Direction
  package var privacy: Privacy
  package var agentID: String
  package var agentName: String
  package var teamID: String
  package var skillID: String
  package var skillName: String
  package var campaignID: String
  package var campaignName: String
  package var fromAddress: String
  package var toAddress: String
  package var contactID: String
  package var disposition: String
  /// How the sound is coded.
  package var format: WAVFormat
  /// Bytes of sound behind the header.
  package var dataBytes: Int
  package var availability: Availability
  /// Whether it is left out of searches; it can still be fetched by its id.
  package var isHidden: Bool

  /// The moment at which the call ended.
  package var endTime: Instant { startTime + .seconds(durationSeconds) }
  /// The size of the file.
  package var totalBytes: Int { format.header(dataBytes: dataBytes).count + dataBytes }
}
