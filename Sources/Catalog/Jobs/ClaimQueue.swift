import Model
import Synchronization

/// The claims of this process that wait for a transaction. All that ask for the same and wait at the same time share one,
/// since a commit takes longer than a claim.
final class ClaimQueue: Sendable {
  struct Question: Hashable {
    var queue: JobQueue
    var sources: [SourceID]?
    var lease: Duration
  }

  private typealias Claim = CheckedContinuation<Result<JobRow?, TapedeckError>, Never>

  /// A limit, so that the first of many claims does not wait for all of them.
  private static let maximum = 32

  /// A question has a value while a task answers it.
  private let waiting = Mutex<[Question: [Claim]]>([:])

  /// The number of claims that no transaction has taken yet.
  var count: Int { waiting.withLock { $0.values.reduce(0) { $0 + $1.count } } }

  /// - Parameter claimJobs: claims at most this many jobs.
  func claim(
    _ question: Question, _ claimJobs: @escaping @Sendable (Int) async throws(TapedeckError) -> [JobRow]
  ) async throws(TapedeckError) -> JobRow? {
    let result = await withCheckedContinuation { (claim: Claim) in
      let isFirst = waiting.withLock { waiting in
        defer { waiting[question, default: []].append(claim) }
        return waiting[question] == nil
      }
      // Unstructured: the transaction is shared, so the cancellation of one caller must not end it.
      if isFirst { Task { await answer(question, claimJobs) } }
    }
    return try result.get()
  }

  private func answer(
    _ question: Question, _ claimJobs: @Sendable (Int) async throws(TapedeckError) -> [JobRow]
  ) async {
    while let claims = next(question) {
      do throws(TapedeckError) {
        let jobs = try await claimJobs(claims.count)
        for (place, claim) in claims.enumerated() {
          claim.resume(returning: .success(place < jobs.count ? jobs[place] : nil))
        }
      } catch {
        for claim in claims { claim.resume(returning: .failure(error)) }
      }
      // Callers that claim again at once are answered together.
      await Task.yield()
    }
  }

  /// The next claims; nil when none is waiting.
  private func next(_ question: Question) -> [Claim]? {
    waiting.withLock { waiting in
      let next = Array(waiting[question, default: []].prefix(Self.maximum))
      waiting[question]?.removeFirst(next.count)
      if next.isEmpty { waiting[question] = nil }
      return next.isEmpty ? nil : next
    }
  }
}
