/// Reads the HTTP header `Retry-After`: seconds or a date.
package enum RetryAfter {
  /// The maximum pause after any response; the next response may ask for another.
  package static let maxDelay: Duration = .seconds(3600)

  /// The delay, from 0 to `limit`; nil for a malformed header.
  ///
  /// A date is compared with the response's own `Date`, because the two clocks may differ; without a readable `Date` it
  /// is compared with `now`.
  package static func delay(
    _ value: String, answeredAt date: String?, now: Instant, limit: Duration = maxDelay
  ) -> Duration? {
    let text = String(value.trimmingHTTPWhitespace)
    if text.isASCIIDigits {
      return min(.seconds(Int64(text) ?? .max), limit)
    }
    // Some servers send fractions, although the standard has whole seconds only.
    if text.first?.isASCII == true, text.first?.isNumber == true, let seconds = decimalNumber(text) {
      return min(.seconds(min(seconds.rounded(.up), 1e9)), limit)
    }
    guard let moment = HTTPDate.parse(text, now: now) else { return nil }
    let reference = date.flatMap { HTTPDate.parse($0, now: now) } ?? now
    return min(max(.zero, moment - reference), limit)
  }
}
