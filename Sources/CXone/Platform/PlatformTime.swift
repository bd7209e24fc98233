import Foundation
import Model

extension Instant {
  /// Reads a moment of the platform: RFC 3339 in either case, also with `24:00`, or seconds or milliseconds since 1970
  /// as a number or text. Nil for anything else, including a time without a zone, which could be hours off.
  init?(platformValue value: Any) {
    if let text = value as? String {
      if let moment = Self.moment(text.uppercased()) {
        self = moment
        return
      }
      guard let number = decimalNumber(text) else { return nil }
      self.init(sinceEpoch: number)
    } else if PlatformJSON.wholeNumber(value) != nil, let number = value as? Double {
      self.init(sinceEpoch: number)
    } else {
      return nil
    }
  }

  private static func moment(_ text: String) -> Instant? {
    if let moment = Instant(iso8601: text) { return moment }
    // The end of a day, written as its hour 24.
    guard text.contains("T24:00:00"),
      let start = Instant(iso8601: text.replacingOccurrences(of: "T24:00:00", with: "T00:00:00")),
      start.milliseconds % 1000 == 0
    else { return nil }
    return start + .seconds(86_400)
  }

  /// Seconds from 1973 to 5138, or milliseconds of the same years.
  private init?(sinceEpoch number: Double) {
    switch number {
    case 1e8..<1e11: self.init(milliseconds: Int64((number * 1000).rounded()))
    case 1e11..<1e14: self.init(milliseconds: Int64(number.rounded(.towardZero)))
    default: return nil
    }
  }
}
