import Catalog
import Model
import Synchronization

/// The limit on open jobs of one identity, so that requests for many recordings do not fill the queue. Failed jobs do
/// not count.
///
/// An identity begins one job at a time on this node, so that its simultaneous requests do not exceed the limit. With
/// more than a hundred open jobs, it begins at most 200 a second, so that thousands of requests do not slow the answers
/// to others.
final class OpenJobs: Sendable {
  private struct Turns {
    let semaphore = AsyncSemaphore(1)
    var users = 0
  }

  private let catalog: Catalog
  private let limit: Int
  private let system: SystemServices
  private let turns = Mutex<[String: Turns]>([:])

  init(catalog: Catalog, limit: Int, system: SystemServices) {
    self.catalog = catalog
    self.limit = limit
    self.system = system
  }

  /// Runs `begin` when the identity may begin work on a recording. Joining a job, or requesting an archived recording,
  /// begins none. An operator has no limit.
  ///
  /// - Throws: `tooManyJobs`, `interrupted` when the task is cancelled while it waits, and what `begin` throws.
  func withCapacity<Result>(
    for key: RecordingKey, of identity: Identity, _ begin: () async throws(TapedeckError) -> Result
  ) async throws(TapedeckError) -> Result {
    guard identity.kind != .operator else { return try await begin() }
    let semaphore = turns.withLock { turns in
      var own = turns[identity.id] ?? Turns()
      own.users += 1
      turns[identity.id] = own
      return own.semaphore
    }
    defer {
      turns.withLock { turns in
        turns[identity.id]?.users -= 1
        if turns[identity.id]?.users == 0 { turns[identity.id] = nil }
      }
    }
    return try await semaphore.withPermit { () async throws(TapedeckError) -> Result in
      let open = try await catalog.openJobs(of: identity.id, before: key, limit: limit)
      if open > 100 { try? await system.sleep(.milliseconds(5)) }
      guard open < limit else { throw TapedeckError(.tooManyJobs, retryAfter: .seconds(30)) }
      return try await begin()
    }
  }
}
