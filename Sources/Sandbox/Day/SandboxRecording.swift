package import Model

/// One recording of the simulated tenant: its metadata, its format, and when it becomes available.
package struct SandboxRecording: Sendable, Equatable {
  /// When a recording can be downloaded.
  package enum Availability: Sendable, Equatable {
    case immediately
    /// This long after its metadata was first requested.
    case afterFirstRequest(Duration)
    /// This long after the tenant was created.
    case afterStart(Duration)
    /// It remains `processing`.
    case never
    /// It remains `failed`.
    case failed
  }

  package var id: String
  package var startTime: Instant
  /// The platform's duration, rounded to whole seconds.
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
  /// The format of the audio.
  package var format: WAVFormat
  /// Bytes of audio after the header.
  package var dataBytes: Int
  package var availability: Availability
  /// Whether searches omit it; it can still be requested by its ID.
  package var isHidden: Bool

  /// The end of the call.
  package var endTime: Instant { startTime + .seconds(durationSeconds) }
  /// The size of the file in bytes.
  package var totalBytes: Int { format.header(dataBytes: dataBytes).count + dataBytes }
}
