/// How a person uses the pages and the player, kept from one sign-in to the next, except the time zone of the browser.
package struct Preferences: Sendable, Equatable, Codable {
  package static let speeds = 0.5...3.0
  package static let volumes = 0.0...1.0
  /// The value of `timeZone` that follows the browser.
  package static let browserZone = "browser"

  /// The speed of playback; nil for 1.
  package var speed: Double?
  /// The volume of playback; nil for 1.
  package var volume: Double?
  /// Whether silence is skipped; nil for no.
  package var skipSilence: Bool?
  /// The chosen time zone of pages: a name of the tz database, or `browser`; nil for `browser`.
  package var timeZone: String?
  /// The time zone that the browser of the session reported last; nil when it has reported none, and without a session.
  package var browserTimeZone: String?

  package init(
    speed: Double? = nil, volume: Double? = nil, skipSilence: Bool? = nil, timeZone: String? = nil,
    browserTimeZone: String? = nil
  ) {
    self.speed = speed
    self.volume = volume
    self.skipSilence = skipSilence
    self.timeZone = timeZone
    self.browserTimeZone = browserTimeZone
  }

  /// The time zone of pages: the chosen one, else the browser's, else UTC.
  package var zone: CalendarZone {
    timeZone.flatMap { CalendarZone($0) } ?? browserTimeZone.flatMap { CalendarZone($0) } ?? .utc
  }

  /// These preferences, with the ones that `change` names changed.
  package func applying(_ change: Preferences) -> Preferences {
    Preferences(
      speed: change.speed ?? speed, volume: change.volume ?? volume, skipSilence: change.skipSilence ?? skipSilence,
      timeZone: change.timeZone ?? timeZone, browserTimeZone: change.browserTimeZone ?? browserTimeZone)
  }

  /// - Throws: `invalidRequest` for a value outside its range.
  package func validate() throws(TapedeckError) {
    if let speed, !Self.speeds.contains(speed) {
      throw TapedeckError(.invalidRequest, "'speed' must be a number from 0.5 to 3.")
    }
    if let volume, !Self.volumes.contains(volume) {
      throw TapedeckError(.invalidRequest, "'volume' must be a number from 0 to 1.")
    }
    if let timeZone, timeZone != Self.browserZone, CalendarZone(timeZone) == nil {
      throw TapedeckError(.invalidRequest, "'timeZone' must be a time zone such as Europe/Berlin, or 'browser'.")
    }
    if let browserTimeZone, CalendarZone(browserTimeZone) == nil {
      throw TapedeckError(.invalidRequest, "'browserTimeZone' must be a time zone such as Europe/Berlin.")
    }
  }
}
