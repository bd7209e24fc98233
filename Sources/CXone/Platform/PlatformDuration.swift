import Foundation
import Model

/// The duration of a call in the forms that platforms use.
enum PlatformDuration {
  /// Seconds in a year. A longer duration is an error of the platform.
  private static let longest = 31_536_000

  /// Whole seconds of a number, a number as text, `HH:MM:SS` or ISO 8601 such as `PT1M30S`; nil for anything else.
  static func seconds(_ value: Any) -> Int? {
    let text = (value as? String)?.trimmingCharacters(in: .whitespaces)
    let number = PlatformJSON.wholeNumber(text ?? value).flatMap { Int(exactly: $0) }
    let seconds = number ?? text.flatMap(clock) ?? text.flatMap(iso)
    return seconds.flatMap { (0...longest).contains($0) ? $0 : nil }
  }

  private static func clock(_ text: String) -> Int? {
    guard let match = text.wholeMatch(of: /([0-9]{1,4}):([0-5][0-9]):([0-5][0-9])(?:\.[0-9]{1,9})?/) else { return nil }
    return sum([(match.1, 3600), (match.2, 60), (match.3, 1)])
  }

  private static func iso(_ text: String) -> Int? {
    let form =
      /P(?:([0-9]{1,9})D)?(?:T(?:([0-9]{1,9})H)?(?:([0-9]{1,9})M)?(?:([0-9]{1,9})(?:[.,][0-9]{1,9})?S)?)?/
    guard text.contains(where: { $0.isASCII && $0.isNumber }), let match = text.wholeMatch(of: form) else { return nil }
    return sum([(match.1 ?? "0", 86_400), (match.2 ?? "0", 3600), (match.3 ?? "0", 60), (match.4 ?? "0", 1)])
  }

  private static func sum(_ parts: [(digits: Substring, unit: Int)]) -> Int? {
    // At most nine digits each, so the sum fits.
    parts.reduce(0) { all, part in all + (Int(part.digits) ?? 0) * part.unit }
  }
}
