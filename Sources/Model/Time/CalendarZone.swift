import Foundation

/// A time zone of the tz database, such as `Europe/Berlin`; it determines where a day begins.
package struct CalendarZone: Sendable, Hashable, CustomStringConvertible {
  /// The default zone of a source.
  package static let utc = CalendarZone(name: "UTC", zone: .gmt)

  package let name: String
  private let zone: TimeZone

  private init(name: String, zone: TimeZone) {
    self.name = name
    self.zone = zone
  }

  /// Nil for a name that the system's tz database does not contain.
  package init?(_ name: String) {
    guard name != "UTC" else {
      self = .utc
      return
    }
    let isName = name.utf8.allSatisfy { byte in
      (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte) || (0x30...0x39).contains(byte)
        || [0x2F, 0x5F, 0x2B, 0x2D].contains(byte)
    }
    guard isName, (1...64).contains(name.utf8.count), let zone = TimeZone(identifier: name) else { return nil }
    self.init(name: name, zone: zone)
  }

  package var description: String { name }

  /// Seconds ahead of UTC at a moment; negative west of Greenwich.
  package func offset(at instant: Instant) -> Int { zone.secondsFromGMT(for: instant.date) }
}
