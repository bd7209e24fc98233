import Catalog
import Logging
package import Model
import ServiceLifecycle

/// Lets the archive check itself: compares names at the start and daily, reads a share of the bytes back every hour.
package struct Scrubber: Service {
  private let verifier: Verifier
  private let reconciliation: Reconciliation
  private let settings: ScrubSettings
  private let privacy: PrivacyReview?
  private let isMine: @Sendable () async -> Bool
  /// From one run to the next.
  private let interval = Duration.seconds(3600)
  /// After a run that failed, so that a store that was away for a minute is met again soon.
  private let retry = Duration.seconds(300)
  private let reconciliationInterval = Duration.seconds(86_400)

  /// - Parameters:
  ///   - privacy: asked about each recording that is verified; nil for nobody.
  ///   - isMine: whether this node is the one that does it now; asked before each run.
  package init(
    verifier: Verifier, settings: ScrubSettings, privacy: PrivacyReview? = nil,
    isMine: @escaping @Sendable () async -> Bool = { true }
  ) {
    self.verifier = verifier
    reconciliation = Reconciliation(verifier: verifier)
    self.settings = settings
    self.privacy = privacy
    self.isMine = isMine
  }

  package func run() async throws {
    await cancelWhenGracefulShutdown {
      var reconciledAt: Instant?
      while !Task.isCancelled {
        let begin = verifier.surroundings.now()
        var pause = retry
        do throws(TapedeckError) {
          if await isMine() {
            if reconciledAt.map({ begin - $0 >= reconciliationInterval }) ?? true {
              let report = try await reconciliation.run()
              try await verifier.resume()
              // Young objects without a row are old enough the next time.
              reconciledAt = report.young == 0 ? begin : nil
            }
            try await verifier.scrub(within: interval, settings) { key in await privacy?.review(key) }
          }
          pause = interval
        } catch {
          if error.code == .interrupted { return }
          verifier.logger.error(
            "the archive cannot be verified; it is tried again later",
            metadata: ["error": "\(error)", "detail": "\(error.detail ?? "")"])
        }
        let spent = verifier.surroundings.now() - begin
        guard (try? await verifier.surroundings.sleep(max(pause - spent, .seconds(1)))) != nil else { return }
      }
    }
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
