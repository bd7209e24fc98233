package import CXone
package import Catalog
import Logging
package import Model

/// Reads the privacy of a recording from the platform again. Stricter privacy applies at once and is logged; less strict
/// privacy needs a decision by an administrator.
///
/// Sends one request per recording, within the source's request budget. A recording that the platform no longer has is not
/// changed. After any other failure no request is sent for an hour.
package actor PrivacyReview {
  private let catalog: Catalog
  private let sources: [SourceID: any RecordingSource]
  private let system: SystemServices
  private var pausedUntil: Instant?
  private let pause = Duration.seconds(3600)
  private var lastReviews: [RecordingKey: Instant] = [:]

  package init(catalog: Catalog, sources: [any RecordingSource], system: SystemServices) {
    self.catalog = catalog
    self.sources = Dictionary(sources.map { ($0.id, $0) }) { first, _ in first }
    self.system = system
  }

  /// - Parameter interval: how long an earlier review of the recording counts.
  package func review(_ key: RecordingKey, atMostEvery interval: Duration = .zero) async {
    guard let source = sources[key.source], pausedUntil.map({ $0 <= system.now() }) ?? true else { return }
    let now = system.now()
    if let last = lastReviews[key], now - last < interval { return }
    if lastReviews.count >= 1000 { lastReviews = [:] }
    lastReviews[key] = now
    do throws(TapedeckError) {
      let facts = try await source.recording(key.id)
      // Only stricter privacy matters: other facts of an archived recording do not change here.
      guard let known = try await catalog.recording(key)?.facts.privacy, facts.privacy > known else { return }
      try await catalog.observe(facts, of: key)
    } catch {
      if error.code != .unknownRecording, error.code != .notYetAvailable { pausedUntil = system.now() + pause }
    }
  }
}
