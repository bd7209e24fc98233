import Catalog
import Logging
package import Model
import ServiceLifecycle

/// Lets the archive check itself: compares names at the start and daily, reads a share of the bytes back every hour.
///
/// Of several nodes one does it at a time.
package struct Scrubber: Service {
  private let verifier: Verifier
  private let reconciliation: Reconciliation
  private let settings: ScrubSettings
  private let privacy: PrivacyReview?
  /// From one run to the next.
  private let interval = Duration.seconds(3600)
  /// After a run that failed, so that a store that was away for a minute is met again soon.
  private let retry = Duration.seconds(300)
  private let reconciliationInterval = Duration.seconds(86_400)
  private let lease = Duration.seconds(30)

  /// - Parameter privacy: asked about each recording that is verified; nil for nobody.
  package init(verifier: Verifier, settings: ScrubSettings, privacy: PrivacyReview? = nil) {
    self.verifier = verifier
    reconciliation = Reconciliation(verifier: verifier)
    self.settings = settings
    self.privacy = privacy
  }

  package func run() async throws {
    await cancelWhenGracefulShutdown {
      var isFirst = true
      while !Task.isCancelled {
        var pause = retry
        do throws(TapedeckError) {
          try await verifier.catalog.ensureDuties([.verification])
          if let duty = try await verifier.catalog.claimDuty(.verification, lease: lease, early: isFirst) {
            try await perform(duty, isFirst: &isFirst)
          }
          // Also where another node had it: the archive is compared once for all that start together.
          isFirst = false
          pause = try await untilNext()
        } catch {
          if error.code == .interrupted { return }
          verifier.logger.error(
            "the archive cannot be verified; it is tried again later",
            metadata: ["error": "\(error)", "detail": "\(error.detail ?? "")"])
        }
        guard (try? await verifier.surroundings.sleep(pause)) != nil else { return }
      }
    }
  }

  /// Until somebody may do it again; looked at at least once an interval.
  private func untilNext() async throws(TapedeckError) -> Duration {
    guard let next = try await verifier.catalog.nextDuty(among: [.verification]) else { return interval }
    return min(max(next - verifier.surroundings.now(), .seconds(1)), interval)
  }

  private func perform(_ duty: DutyRow, isFirst: inout Bool) async throws(TapedeckError) {
    let begin = verifier.surroundings.now()
    let release: DutyRelease
    var failure: TapedeckError?
    do throws(TapedeckError) {
      let reconciledAt = Int64(duty.state).map(Instant.init(milliseconds:))
      if isFirst || reconciledAt.map({ begin - $0 >= reconciliationInterval }) ?? true {
        try await keeping(duty) { () async throws(TapedeckError) in try await reconcile(duty) }
        // Whatever happens to the rest of the run: a comparison of all names is not for every few minutes.
        isFirst = false
      }
      try await keeping(duty) { () async throws(TapedeckError) in
        _ = try await verifier.scrub(within: interval, settings) { key in await privacy?.review(key) }
      }
      release = .done(next: begin + interval)
    } catch {
      release = error.code == .interrupted ? .interrupted : .failed(next: begin + retry, because: error)
      failure = error
    }
    do throws(TapedeckError) { try await verifier.catalog.release(duty.lease, release) } catch {
      if error.code != .leaseLost { throw error }
    }
    if let failure { throw failure }
  }

  private func keeping(
    _ duty: DutyRow, _ body: @escaping @Sendable () async throws(TapedeckError) -> Void
  ) async throws(TapedeckError) {
    try await verifier.catalog.keeping(duty.lease, for: lease, surroundings: verifier.surroundings, body)
  }

  private func reconcile(_ duty: DutyRow) async throws(TapedeckError) {
    let begin = verifier.surroundings.now()
    let report = try await reconciliation.run()
    try await verifier.resume()
    // Young objects without a row are old enough the next time.
    try await verifier.catalog.recordState(report.young == 0 ? "\(begin.milliseconds)" : "{}", of: duty.lease)
  }
}

extension Verifier {
  /// Takes up again what is marked as damaged and that nobody works on: what a process that died left half done, and
  /// repairs that failed of something that may have passed.
  ///
  /// - Throws: `storageFailed`, `catalogFailed`, `interrupted`.
  package func resume() async throws(TapedeckError) {
    var last: Int64 = 0
    while true {
      let page = try await catalog.damagedRecordings(after: last, limit: 64)
      for (recording, failure) in page where failure?.remedy != .giveUp {
        try await note([try await verify(recording.key, .repair())])
      }
      guard let end = page.last else { return }
      last = end.recording.id
    }
  }
}
