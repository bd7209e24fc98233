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
  /// its share of that, and all that is overdue, as far as the rate allows. What could not be read the last time is tried
  /// again at the end: nothing that can be read waits for it, or for the time that a bad disk takes to say so.
  ///
  /// - Parameters:
  ///   - span: until when the next run begins; this one ends by then.
  ///   - onVerified: told of each recording that was looked at.
  /// - Returns: how many recordings were verified; one that cannot be read is not.
  /// - Throws: `storageFailed` when the store is away, `catalogFailed`, `interrupted`. What was found whole until then is
  ///   noted.
  @discardableResult
  package func scrub(
    within span: Duration, _ settings: ScrubSettings,
    onVerified: @Sendable (RecordingKey) async -> Void = { _ in }
  ) async throws(TapedeckError) -> Int {
    guard settings.days > 0 else { return 0 }
    let end = surroundings.now() + span
    let postponed = unreadable.all
    let taken = try await verifyShare(of: span, except: postponed, settings, onVerified)
    for (id, key) in postponed.sorted(by: { $0.key < $1.key }) where surroundings.now() < end {
      let verification = try await look(after: key, settings, onVerified)
      if verification.verdict == .unreadable { continue }
      unreadable.remove(id)
      try await note([verification])
    }
    return taken
  }

  private func verifyShare(
    of span: Duration, except postponed: [Int64: RecordingKey], _ settings: ScrubSettings,
    _ onVerified: @Sendable (RecordingKey) async -> Void
  ) async throws(TapedeckError) -> Int {
    let period = Duration.seconds(settings.days * 86_400)
    let begin = surroundings.now()
    let (overdue, settled) = (begin + period * -1, begin + period / -2)
    let share = Double(try await catalog.archivedCount()) * span.inSeconds / (period.inSeconds / 2)
    let quota = Int(min(share.rounded(.up), 1e15))
    var last: ArchivedRecording?
    var taken = 0
    // Unreadable ones of which nobody knows yet whether the whole store is.
    var doubtful: [ArchivedRecording] = []
    while true {
      let page = try await catalog.unverifiedRecordings(since: settled, after: last, limit: 16)
      var whole: [Verification] = []
      do throws(TapedeckError) {
        for next in page where postponed[next.id] == nil {
          guard surroundings.now() < begin + span, taken < quota || next.verifiedAt < overdue else {
            try await note(whole)
            return taken
          }
          let verification = try await look(after: next.key, settings, onVerified)
          if verification.verdict == .unreadable {
            doubtful.append(next)
            guard doubtful.count >= Self.unreadableLimit else { continue }
            try await requireReadable()
          } else {
            taken += 1
            if verification.verdict == .whole { whole.append(verification) }
          }
          unreadable.insert(doubtful)
          doubtful = []
        }
      } catch {
        // The first error says why, whatever becomes of this.
        try? await note(whole)
        throw error
      }
      try await note(whole)
      guard let end = page.last else { return taken }
      last = end
    }
  }

  private func look(
    after key: RecordingKey, _ settings: ScrubSettings, _ onVerified: @Sendable (RecordingKey) async -> Void
  ) async throws(TapedeckError) -> Verification {
    let start = ContinuousClock.now
    let verification = try await verify(key, .repair())
    await onVerified(key)
    try await rest(after: verification.bytes, since: start, settings)
    return verification
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
