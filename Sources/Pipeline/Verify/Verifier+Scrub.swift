import Catalog
package import Model
import Synchronization

/// How much of the archive is verified automatically.
package struct ScrubSettings: Sendable {
  /// The period in which everything is verified, in days; 0 for never.
  package var days: Int
  /// The average rate limit, so that playback is not disturbed; 0 for none.
  package var bytesPerSecond: Int64

  package init(days: Int = 30, bytesPerSecond: Int64 = 20_000_000) {
    self.days = days
    self.bytesPerSecond = bytesPerSecond
  }
}

extension Verifier {
  /// Verifies a share of the archive, the longest unverified first, so that consecutive runs cover all of it within the
  /// period.
  ///
  /// Recordings verified within the last half period are skipped, which leaves half a period for a round: a run takes
  /// the share that belongs to `span`, and everything overdue, as far as the rate limit allows. Recordings that could
  /// not be read in the last run come last, so that a failing disk does not delay the others.
  ///
  /// - Parameters:
  ///   - span: the time until the next run, and the limit of this one.
  ///   - onVerified: called for each recording.
  /// - Returns: the number of verified recordings, without unreadable ones.
  /// - Throws: `storageFailed` when the store is unavailable, `catalogFailed`, `interrupted`. Recordings found intact
  ///   before that are noted.
  @discardableResult
  package func scrub(
    within span: Duration, _ settings: ScrubSettings,
    onVerified: @Sendable (RecordingKey) async -> Void = { _ in }
  ) async throws(TapedeckError) -> Int {
    guard settings.days > 0 else { return 0 }
    let end = system.now() + span
    let postponed = unreadable.all
    let taken = try await verifyShare(of: span, except: postponed, settings, onVerified)
    for (id, key) in postponed.sorted(by: { $0.key < $1.key }) where system.now() < end {
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
    let begin = system.now()
    let (overdue, settled) = (begin + period * -1, begin + period / -2)
    let share = Double(try await catalog.archivedCount()) * span.inSeconds / (period.inSeconds / 2)
    let quota = Int(min(share.rounded(.up), 1e15))
    var last: ArchivedRecording?
    var taken = 0
    // Unreadable recordings, as long as the whole store may be unavailable.
    var doubtful: [ArchivedRecording] = []
    while true {
      let page = try await catalog.unverifiedRecordings(since: settled, after: last, limit: 16)
      var whole: [Verification] = []
      do throws(TapedeckError) {
        for next in page where postponed[next.id] == nil {
          guard system.now() < begin + span, taken < quota || next.verifiedAt < overdue else {
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
        // The first error has the reason, even if this write fails too.
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

  /// Waits until the bytes read are within the rate limit.
  private func rest(
    after bytes: Int64, since start: ContinuousClock.Instant, _ settings: ScrubSettings
  ) async throws(TapedeckError) {
    guard settings.bytesPerSecond > 0 else { return }
    let pause = Duration.seconds(Double(bytes) / Double(settings.bytesPerSecond)) - (.now - start)
    guard pause > .zero else { return }
    do { try await system.sleep(pause) } catch { throw TapedeckError(.interrupted) }
  }
}

/// Recordings whose last read failed although the store was available. Kept in memory only.
final class UnreadableRecordings: Sendable {
  private let keys = Mutex<[Int64: RecordingKey]>([:])

  /// By row number.
  var all: [Int64: RecordingKey] { keys.withLock { $0 } }

  func insert(_ recordings: [ArchivedRecording]) {
    keys.withLock { keys in
      for recording in recordings { keys[recording.id] = recording.key }
    }
  }

  func remove(_ id: Int64) { keys.withLock { _ = $0.removeValue(forKey: id) } }
}
