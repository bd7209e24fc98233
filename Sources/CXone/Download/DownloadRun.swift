import HTTPTransport
import Logging
import Model
import NIOCore

/// One download: sends a request, applies the decision of `ResumeRules`, moves bytes, and repeats until the sink has
/// the file.
struct DownloadRun<Sink: DownloadSink>: Sendable {
  let origin: DownloadOrigin
  let sink: Sink
  let onState: @Sendable (DownloadState) async throws(TapedeckError) -> Void

  /// What follows a successful exchange.
  enum Next: Equatable {
    case done
    /// The received part fits but is not the last one.
    case requestNext
    case request(ResumeRules.Request)
    case startOver(String)
  }

  /// More restarts than this within one download mean that the platform contradicts itself.
  static var maxRestarts: Int { 3 }

  func run(from initial: DownloadState) async throws(TapedeckError) -> DownloadState {
    var state = initial
    var request = try await nextRequest(&state)
    var restarts = 0
    while true {
      switch try await exchange(request, &state) {
      case .done: return state
      case .requestNext: request = try await nextRequest(&state)
      case .request(let next): request = next
      case .startOver(let reason):
        restarts += 1
        origin.logger.notice(
          "download restarts at byte 0", metadata: ["path": "\(origin.name)", "reason": "\(reason)"])
        guard restarts <= Self.maxRestarts else {
          throw TapedeckError(
            .incompleteRecording, "The platform's responses for this recording contradict each other.", detail: reason)
        }
        request = try await reset(&state)
      }
    }
  }

  /// - Throws: `incompleteRecording` above the maximum size of a recording, because an endless body would fill the
  ///   disk.
  func checkSize(_ bytes: Int64) throws(TapedeckError) {
    guard bytes > origin.settings.maxRecordingBytes else { return }
    throw TapedeckError(
      .incompleteRecording, "The platform sends more data for this recording than the maximum size allows.",
      detail: "\(bytes) bytes or more; the limit is \(origin.settings.maxRecordingBytes)")
  }

  private func nextRequest(_ state: inout DownloadState) async throws(TapedeckError) -> ResumeRules.Request {
    if let request = ResumeRules.request(held: await sink.length, state: state) { return request }
    return try await reset(&state)
  }

  private func reset(_ state: inout DownloadState) async throws(TapedeckError) -> ResumeRules.Request {
    try await sink.cut(to: 0)
    try await adopt(DownloadState(), as: &state)
    return .range(from: 0, ifRange: nil)
  }

  func adopt(_ next: DownloadState, as state: inout DownloadState) async throws(TapedeckError) {
    guard next != state else { return }
    try await onState(next)
    state = next
  }

  /// One request and its response; everything received before a failure is in the sink.
  private func exchange(
    _ request: ResumeRules.Request, _ state: inout DownloadState
  ) async throws(TapedeckError) -> Next {
    let watch = StallWatch(limit: origin.settings.stallTimeout, system: origin.system)
    let before = state
    let (result, wasLimited) = await limited {
      var exchange = Exchange(run: self, state: before, watch: watch)
      await exchange.run(request)
      return exchange.result
    } by: {
      try await watch.untilStalled()
    }
    state = result.state
    // Written here and not in the exchange: a stall cancels that task, which must not interrupt the write.
    if result.unwritten.readableBytes > 0 { try await sink.append(result.unwritten) }
    switch result.outcome {
    case .success(let next): return next
    case .failure(let failure) where wasLimited && failure.code == .interrupted:
      guard result.hasBody else {
        await origin.onTimeout()
        throw TransportFailures.platform.timeout(cause: failure)
      }
      throw TapedeckError(.downloadInterrupted, detail: "no data for \(origin.settings.stallTimeout)", cause: failure)
    case .failure(let failure): throw failure
    }
  }
}
