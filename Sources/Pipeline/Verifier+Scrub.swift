import Catalog
package import Model

/// How the archive is verified by itself.
package struct ScrubSettings: Sendable {
  /// Everything is verified within so many days; 0 for never.
  package var days: Int
  /// At most so many bytes a second on average, so that playback is not disturbed; 0 for no limit.
  package var bytesPerSecond: Int64

  package init(days: Int = 30, bytesPerSecond: Int64 = 20_000_000) {
    self.days = days
    self.bytesPerSecond = bytesPerSecond
  }
}

extension Verifier {
  /// Verifies a share of the archive, the longest unverified first, such that runs of this length, one after the other,
  /// come round within the period.
  ///
  /// What was verified in the first half of the period is left alone, so half of it is left for one round: `span` takes
  /// its share of that, and all that is overdue, as far as the rate allows.
  ///
  /// - Parameters:
  ///   - span: until when the next run begins; this one ends by then.
  ///   - onVerified: told of each recording that was read.
  /// - Returns: how many recordings were verified.
  /// - Throws: `storageFailed` when the store is away, `catalogFailed`, `interrupted`.
  @discardableResult
  package func scrub(
    within span: Duration, _ settings: ScrubSettings,
    onVerified: @Sendable (RecordingKey) async -> Void = { _ in }
  ) async throws(TapedeckError) -> Int {
    guard settings.days > 0 else { return 0 }
    let period = Duration.seconds(settings.days * 86_400)
    let begin = surroundings.now()
    let (overdue, settled) = (begin + period * -1, begin + period / -2)
    let share = Double(try await catalog.archivedCount()) * span.inSeconds / (period.inSeconds / 2)
    let quota = Int(min(share.rounded(.up), 1e15))
    var last: ArchivedRecording?
    var taken = 0
    var unreadable = 0
    while true {
      let page = try await catalog.unverifiedRecordings(since: settled, after: last, limit: 16)
      var whole: [Verification] = []
      for next in page {
        let isOverdue = next.verifiedAt < overdue
        guard surroundings.now() < begin + span, taken < quota || isOverdue else {
          try await note(whole)
          return taken
        }
        let start = ContinuousClock.now
        let verification = try await verify(next.key, .repair())
        taken += 1
        unreadable = verification.verdict == .unreadable ? unreadable + 1 : 0
        if unreadable >= Self.unreadableLimit { throw Self.away }
        if verification.verdict == .whole { whole.append(verification) }
        await onVerified(next.key)
        try await rest(after: verification.bytes, since: start, settings)
      }
      try await note(whole)
      guard let end = page.last else { return taken }
      last = end
    }
  }

  /// Waits until so many bytes are no more than the rate allows.
  private func rest(
    after bytes: Int64, since start: ContinuousClock.Instant, _ settings: ScrubSettings
  ) async throws(TapedeckError) {
    guard settings.bytesPerSecond > 0 else { return }
    let pause = Duration.seconds(Double(bytes) / Double(settings.bytesPerSecond)) - (.now - start)
    guard pause > .zero else { return }
    do { try await surroundings.sleep(pause) } catch { throw TapedeckError(.interrupted) }
  }
}
