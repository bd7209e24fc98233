import Logging
import Model
import NIOCore

/// One call of `download`: asks, lets `DownloadTable` decide, moves bytes, and asks again until the sink holds the file.
struct DownloadRun<Sink: DownloadSink>: Sendable {
  let line: PlatformLine
  let path: String
  let sink: Sink
  let onState: @Sendable (DownloadState) async throws(TapedeckError) -> Void

  /// What follows one exchange that did not fail.
  enum Next: Equatable {
    case done
    /// The part that came fits and is not the last one.
    case goOn
    case ask(DownloadTable.Ask)
    case startOver(String)
  }

  /// Starting again more often than this within one call means that the platform contradicts itself.
  static var mostRestarts: Int { 3 }

  func bringToEnd(from initial: DownloadState) async throws(TapedeckError) -> DownloadState {
    var state = initial
    var ask = try await firstAsk(&state)
    var restarts = 0
    while true {
      switch try await exchange(ask, &state) {
      case .done: return state
      case .goOn: ask = try await firstAsk(&state)
      case .ask(let next): ask = next
      case .startOver(let reason):
        restarts += 1
        line.logger.notice("a download starts again from 0", metadata: ["path": "\(path)", "reason": "\(reason)"])
        guard restarts <= Self.mostRestarts else {
          throw TapedeckError(
            .notAWholeRecording, "The platform's answers about this recording contradict each other.", detail: reason)
        }
        ask = try await reset(&state)
      }
    }
  }

  /// - Throws: `notAWholeRecording` for more bytes than any recording has: a body without an end would fill the disk.
  func checkSize(_ bytes: Int64) throws(TapedeckError) {
    guard bytes > line.settings.largestRecording else { return }
    throw TapedeckError(
      .notAWholeRecording, "The platform sends more for this recording than any recording has.",
      detail: "\(bytes) bytes or more; the limit is \(line.settings.largestRecording)")
  }

  private func firstAsk(_ state: inout DownloadState) async throws(TapedeckError) -> DownloadTable.Ask {
    if let ask = DownloadTable.ask(held: await sink.length, state: state) { return ask }
    return try await reset(&state)
  }

  private func reset(_ state: inout DownloadState) async throws(TapedeckError) -> DownloadTable.Ask {
    try await sink.cut(to: 0)
    try await adopt(DownloadState(), as: &state)
    return .range(from: 0, ifRange: nil)
  }

  func adopt(_ next: DownloadState, as state: inout DownloadState) async throws(TapedeckError) {
    guard next != state else { return }
    try await onState(next)
    state = next
  }

  /// One request and its answer, with everything that came before a failure in the sink.
  private func exchange(
    _ ask: DownloadTable.Ask, _ state: inout DownloadState
  ) async throws(TapedeckError) -> Next {
    let watch = StallWatch(limit: line.settings.stallTimeout, surroundings: line.surroundings)
    let before = state
    let (pass, wasLimited) = await limited {
      var pass = Pass(run: self, state: before, watch: watch)
      await pass.run(ask)
      return pass.end
    } by: {
      try await watch.untilStalled()
    }
    state = pass.state
    // Here and not where the body broke: a stall cancels that task, and the sink must not notice.
    if pass.unwritten.readableBytes > 0 { try await sink.append(pass.unwritten) }
    switch pass.outcome {
    case .success(let next): return next
    case .failure(let failure) where wasLimited && failure.code == .interrupted:
      guard pass.hasBody else {
        await line.budget.report(.failed)
        throw TransportFailure.timeout(cause: failure)
      }
      throw TapedeckError(.downloadInterrupted, detail: "no byte for \(line.settings.stallTimeout)", cause: failure)
    case .failure(let failure): throw failure
    }
  }
}
