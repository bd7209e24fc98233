package import CXone
package import Catalog
package import Logging
package import Model

/// Reads the privacy of a recording from the platform again. Stricter privacy applies at once and is logged; less
/// strict privacy needs a decision by an administrator.
///
/// Sends one request per recording, within the source's request budget; none where the source bills them. After a
/// failure of the source as a whole, that source gets no request for an hour; a recording that cannot be read changes
/// nothing for others.
package actor PrivacyReview {
  private let catalog: Catalog
  private let sources: [SourceID: any RecordingSource]
  private let system: SystemServices
  private let logger: Logger
  private var pausedUntil: [SourceID: Instant] = [:]
  private let pause = Duration.seconds(3600)
  private var lastReviews: [RecordingKey: Instant] = [:]
  private var running: [RecordingKey: Task<Void, Never>] = [:]

  package init(catalog: Catalog, sources: [any RecordingSource], system: SystemServices, logger: Logger) {
    self.catalog = catalog
    self.sources = Dictionary(sources.map { ($0.id, $0) }) { first, _ in first }
    self.system = system
    self.logger = logger
  }

  /// Joins a review of the recording that is running. When the waiting task is cancelled, the review continues, and
  /// stricter privacy applies as soon as the platform has answered.
  ///
  /// - Parameter interval: how long an earlier review of the recording counts.
  package func review(_ key: RecordingKey, atMostEvery interval: Duration = .zero) async {
    guard let source = sources[key.source], source.policy.rereadsPrivacy else { return }
    let now = system.now()
    // A longer pause means that the clock was set back.
    if let until = pausedUntil[key.source], now < until, until - now <= pause { return }
    if let last = lastReviews[key], last.isWithin(interval, before: now) { return }
    let review = running[key] ?? Task { await request(key, from: source) }
    running[key] = review
    // Unlike the value of a task, the end of a stream is not awaited by a task that is cancelled.
    let (end, continuation) = AsyncStream<Never>.makeStream()
    Task {
      await review.value
      continuation.finish()
    }
    for await _ in end {}
  }

  private func request(_ key: RecordingKey, from source: any RecordingSource) async {
    defer { running[key] = nil }
    let facts: PlatformRecording
    do throws(TapedeckError) { facts = try await source.locate(key.id).facts } catch {
      if concernsSource(error.code) {
        pausedUntil[key.source] = system.now() + pause
      } else if error.code != .interrupted {
        noteReview(of: key)
      }
      return
    }
    do throws(TapedeckError) {
      // Only stricter privacy matters: other facts of an archived recording do not change here.
      if let known = try await catalog.recording(key)?.facts.privacy, facts.privacy > known {
        try await catalog.observe(facts, of: key)
      }
    } catch {
      logger.error(
        "stricter privacy of the platform could not be recorded; the next review tries again",
        metadata: ["recording": "\(key)", "error": "\(error)"])
      return
    }
    noteReview(of: key)
  }

  private func noteReview(of key: RecordingKey) {
    if lastReviews.count >= 1000 { lastReviews = [:] }
    lastReviews[key] = system.now()
  }

  private func concernsSource(_ code: TapedeckError.Code) -> Bool {
    switch code {
    case .unknownRecording, .notYetAvailable, .invalidRecordingID, .platformProtocol, .interrupted: false
    default: true
    }
  }
}
