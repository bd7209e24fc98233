/// When a message that was not taken is sent again, as published in `docs`: over three days and three hours in all.
package enum WebhookSchedule {
  /// The delay before each attempt, counted from the one before it.
  package static let delays: [Duration] = [
    .zero, .seconds(5), .seconds(5 * 60), .seconds(30 * 60), .seconds(2 * 3600), .seconds(5 * 3600),
    .seconds(10 * 3600), .seconds(14 * 3600), .seconds(20 * 3600), .seconds(24 * 3600),
  ]

  /// How long to wait before the attempt numbered from 0, give or take a tenth; nil when there is no further attempt.
  ///
  /// `random` is in `0..<1`; `notBefore` is what the receiver asked for with the last answer.
  package static func delay(attempt: Int, random: Double, notBefore: Duration? = nil) -> Duration? {
    guard delays.indices.contains(attempt) else { return nil }
    return max(delays[attempt] * (0.9 + 0.2 * random), notBefore ?? .zero)
  }
}
