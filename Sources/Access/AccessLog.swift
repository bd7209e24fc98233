package import Catalog
package import Model
import Synchronization

/// The way into the access log: entries are durable before the call returns, many of them in one transaction.
package actor AccessLog {
  private let catalog: Catalog
  private let now: @Sendable () -> Instant
  private var pending: [(entry: LogEntry, continuation: CheckedContinuation<Result<Void, TapedeckError>, Never>)] = []
  private var isWriting = false
  private let anonymous = Mutex<Int64>(0)

  package init(catalog: Catalog, now: @escaping @Sendable () -> Instant) {
    self.catalog = catalog
    self.now = now
  }

  /// Writes one entry.
  ///
  /// - Throws: `accessLogUnavailable`: nothing may be disclosed then.
  package func record(
    _ action: LogEntry.Action, _ outcome: LogEntry.Outcome = .allowed, by actor: Identity?,
    recording: RecordingKey? = nil, count: Int64? = nil, code: TapedeckError.Code? = nil,
    from origin: LogEntry.Origin? = nil, details: [String: String] = [:]
  ) async throws(TapedeckError) {
    let entry = LogEntry(
      at: now(), action: action, outcome: outcome, actor: actor, recording: recording, count: count, code: code,
      origin: origin, details: details)
    let result = await withCheckedContinuation { continuation in
      pending.append((entry, continuation))
      // Unstructured, because the entries of many callers go into one transaction and none of them may cancel it.
      if !isWriting {
        isWriting = true
        Task { await self.writePending() }
      }
    }
    try result.get()
  }

  private func writePending() async {
    while !pending.isEmpty {
      let batch = pending
      pending = []
      let result: Result<Void, TapedeckError>
      do throws(TapedeckError) {
        try await catalog.log(batch.map(\.entry))
        result = .success(())
      } catch { result = .failure(error) }
      for (_, continuation) in batch { continuation.resume(returning: result) }
    }
    isWriting = false
  }

  /// Counts a request that had no identity and was turned away; the sum is logged by `flush()`, so that a flood of
  /// them does not flood the log.
  package nonisolated func countAnonymousRefusal() { anonymous.withLock { $0 += 1 } }

  /// Writes what was counted since the last call; called every few seconds and at shutdown. What cannot be written now is
  /// kept for the next time.
  package func flush() async throws(TapedeckError) {
    let count = anonymous.withLock { count in
      defer { count = 0 }
      return count
    }
    guard count > 0 else { return }
    do throws(TapedeckError) {
      try await record(.anonymous, .denied, by: nil, count: count, code: .unauthenticated)
    } catch {
      anonymous.withLock { $0 += count }
      throw error
    }
  }
}
