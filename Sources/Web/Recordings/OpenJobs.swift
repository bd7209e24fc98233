import Catalog
import Model

/// The limit on open jobs of one identity, so that requests for many recordings do not fill the queue. Failed jobs do
/// not count.
struct OpenJobs {
  let catalog: Catalog
  let limit: Int

  /// Checks that the identity may begin work on a recording. Joining a job, or requesting an archived recording, begins
  /// none. An operator has no limit.
  ///
  /// - Throws: `tooManyJobs`.
  func requireCapacity(for key: RecordingKey, of identity: Identity) async throws(TapedeckError) {
    guard identity.kind != .operator, try await !catalog.mayRequest(key, by: identity.id, limit: limit) else { return }
    throw TapedeckError(.tooManyJobs, retryAfter: .seconds(30))
  }
}
