package import CXone
package import Catalog
import Logging
package import Model

/// Reads again from the platform who may hear a recording; stricter applies at once and is logged, laxer needs a person.
///
/// One question a recording, within the source's request budget. What the platform no longer has stays as it is. After
/// any other failure nothing more is asked for a while: the platform has other work to do.
package actor PrivacyReview {
  private let catalog: Catalog
  private let sources: [SourceID: any RecordingSource]
  private let system: SystemServices
  private var restsUntil: Instant?
  private let pause = Duration.seconds(3600)

  package init(catalog: Catalog, sources: [any RecordingSource], system: SystemServices) {
    self.catalog = catalog
    self.sources = Dictionary(sources.map { ($0.id, $0) }) { first, _ in first }
    self.system = system
  }

  package func review(_ key: RecordingKey) async {
    guard let source = sources[key.source], restsUntil.map({ $0 <= system.now() }) ?? true else { return }
    do throws(TapedeckError) {
      let facts = try await source.recording(key.id)
      // Only a stricter word is of interest: what else the platform says of an archived call changes nothing here.
      guard let known = try await catalog.recording(key)?.facts.privacy, facts.privacy > known else { return }
      try await catalog.observe(facts, of: key)
    } catch {
      if error.code != .unknownRecording { restsUntil = system.now() + pause }
    }
  }
}
