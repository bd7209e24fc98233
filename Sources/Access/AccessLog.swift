package import Catalog
package import Model
import Synchronization

/// Writes to the access log. An entry is durable before the call returns; concurrent entries share a transaction.
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
  /// - Throws: `accessLogUnavailable`; the caller must then disclose nothing.
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
      // Unstructured: the transaction is shared, so the cancellation of one caller must not end it.
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

  /// Counts a refused request without an identity. `flush()` logs the sum as one entry, so that many such
  /// requests do not fill the log.
  package nonisolated func countAnonymousRefusal() { anonymous.withLock { $0 += 1 } }

  /// Writes the refusals counted since the last call. Called every few seconds and at shutdown; a count that cannot be
  /// written is kept for the next call.
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
