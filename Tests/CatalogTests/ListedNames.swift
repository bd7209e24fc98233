import Catalog
import Model
import TestKit

/// Short forms for tests of lists.
extension TestCatalog {
  /// The keys of the first hundred recordings that match a filter.
  func list(
    visibleTo visibility: Visibility = .everything, _ change: (inout RecordingFilter) -> Void = { _ in }
  ) async throws -> [String] {
    var filter = RecordingFilter()
    change(&filter)
    return try await catalog.recordings(matching: filter, visibleTo: visibility, after: nil, limit: 100).names
  }

  /// Stores the facts of a recording, which are those of `facts` with a change.
  func observe(_ name: String, _ change: (inout PlatformRecording) -> Void = { _ in }) async throws {
    let key = try key(name)
    var facts = self.facts(key.id.rawValue)
    change(&facts)
    try await catalog.observe(facts, of: key)
  }
}

extension [ListedRecording] {
  var names: [String] { map { $0.recording.key.description } }
}
