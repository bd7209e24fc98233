/// How a person uses the player, kept from one sign-in to the next.
package struct Preferences: Sendable, Equatable, Codable {
  package static let speeds = 0.5...3.0
  package static let volumes = 0.0...1.0

  /// The speed of playback; nil for 1.
  package var speed: Double?
  /// The volume of playback; nil for 1.
  package var volume: Double?
  /// Whether silence is skipped; nil for no.
  package var skipSilence: Bool?

  package init(speed: Double? = nil, volume: Double? = nil, skipSilence: Bool? = nil) {
    self.speed = speed
    self.volume = volume
    self.skipSilence = skipSilence
  }

  /// These preferences, with the ones that `change` names changed.
  package func applying(_ change: Preferences) -> Preferences {
    Preferences(
      speed: change.speed ?? speed, volume: change.volume ?? volume, skipSilence: change.skipSilence ?? skipSilence)
  }

  /// - Throws: `invalidRequest` for a value outside its range.
  package func validate() throws(TapedeckError) {
    if let speed, !Self.speeds.contains(speed) {
      throw TapedeckError(.invalidRequest, "'speed' must be a number from 0.5 to 3.")
    }
    if let volume, !Self.volumes.contains(volume) {
      throw TapedeckError(.invalidRequest, "'volume' must be a number from 0 to 1.")
    }
  }
}
