import Catalog
import Logging
import Model

/// Runs one recurring task whenever it is due, on one node at a time, until the service is cancelled.
struct RecurringTask: Sendable {
  let key: TaskKey
  let catalog: Catalog
  let system: SystemServices
  let logger: Logger
  /// The error message for the log.
  let failure: Logger.Message
  /// From one run to the next.
  let interval: Duration
  /// After a failed run: a store that was unavailable for a minute is retried soon.
  let retry = Duration.seconds(300)
  let lease = Duration.seconds(30)

  /// - Parameters:
  ///   - startsEarly: whether the first run starts even before it is due.
  ///   - body: runs the task. `isFirst` is true until the early run is made; `body` then sets it to false.
  func run(
    startsEarly: Bool = false, _ body: (TaskRow, _ isFirst: inout Bool) async throws(TapedeckError) -> Void
  ) async {
    var isFirst = startsEarly
    while !Task.isCancelled {
      var pause = retry
      do throws(TapedeckError) {
        try await catalog.ensureTasks([key])
        if let task = try await catalog.claimTask(key, lease: lease, early: isFirst) {
          try await perform(task, isFirst: &isFirst, body)
        }
        // Also when another node holds the task: nodes that start together make one early run.
        isFirst = false
        pause = try await untilNext()
      } catch {
        if error.code == .interrupted { return }
        logger.error(failure, metadata: ["error": "\(error)", "detail": "\(error.detail ?? "")"])
      }
      guard (try? await system.sleep(pause)) != nil else { return }
    }
  }

  /// Runs `body` while the task's lease is renewed.
  func renewingLease(
    _ task: TaskRow, _ body: @escaping @Sendable () async throws(TapedeckError) -> Void
  ) async throws(TapedeckError) {
    try await catalog.renewing(task.lease, for: lease, system: system, body)
  }

  /// The time until a node can claim the task; checked at least once per interval.
  private func untilNext() async throws(TapedeckError) -> Duration {
    guard let next = try await catalog.nextTaskTime(among: [key]) else { return interval }
    return min(max(next - system.now(), .seconds(1)), interval)
  }

  private func perform(
    _ task: TaskRow, isFirst: inout Bool,
    _ body: (TaskRow, _ isFirst: inout Bool) async throws(TapedeckError) -> Void
  ) async throws(TapedeckError) {
    let begin = system.now()
    let release: TaskRelease
    var failure: TapedeckError?
    do throws(TapedeckError) {
      try await body(task, &isFirst)
      release = .done(next: begin + interval)
    } catch {
      release = error.code == .interrupted ? .interrupted : .failed(next: begin + retry, because: error)
      failure = error
    }
    do throws(TapedeckError) { try await catalog.release(task.lease, release) } catch {
      if error.code != .leaseLost { throw error }
    }
    if let failure { throw failure }
  }
}

extension Catalog {
  /// Runs `body` while the lease of a recurring task is renewed periodically.
  ///
  /// If the lease is lost nevertheless, for example because the process was suspended, the next write throws
  /// `leaseLost`.
  func renewing<T: Sendable>(
    _ held: TaskLease, for lease: Duration, system: SystemServices,
    _ body: @escaping @Sendable () async throws(TapedeckError) -> T
  ) async throws(TapedeckError) -> T {
    let result = await withTaskGroup(of: Result<T, TapedeckError>?.self) { group in
      group.addTask {
        do throws(TapedeckError) { return .success(try await body()) } catch { return .failure(error) }
      }
      group.addTask {
        while (try? await system.sleep(lease / 3)) != nil { try? await heartbeat([held], lease: lease) }
        return nil
      }
      var result: Result<T, TapedeckError>?
      while result == nil, let next = await group.next() { result = next }
      group.cancelAll()
      return result
    }
    guard let result else { throw TapedeckError(.interrupted) }
    return try result.get()
  }
}
