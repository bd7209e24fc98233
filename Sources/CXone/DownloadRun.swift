import AsyncHTTPClient
import Logging
import Metrics
import Model
import NIOCore
import NIOHTTP1

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

  private func firstAsk(_ state: inout DownloadState) async throws(TapedeckError) -> DownloadTable.Ask {
    if let ask = DownloadTable.ask(held: await sink.length, state: state) { return ask }
    return try await reset(&state)
  }

  private func reset(_ state: inout DownloadState) async throws(TapedeckError) -> DownloadTable.Ask {
    try await sink.cut(to: 0)
    try await adopt(DownloadState(), as: &state)
    return .range(from: 0, ifRange: nil)
  }

  private func adopt(_ next: DownloadState, as state: inout DownloadState) async throws(TapedeckError) {
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
      throw pass.hasBody
        ? TapedeckError(.downloadInterrupted, detail: "no byte for \(line.settings.stallTimeout)", cause: failure)
        : TransportFailure.timeout(cause: failure)
    case .failure(let failure): throw failure
    }
  }
}

extension DownloadRun {
  /// How one exchange ended.
  struct PassEnd: Sendable {
    var state: DownloadState
    var outcome: Result<Next, TapedeckError>
    /// What came and is not in the sink yet.
    var unwritten: ByteBuffer
    var hasBody: Bool
  }

  /// The work of one exchange.
  struct Pass {
    let run: DownloadRun
    var state: DownloadState
    let watch: StallWatch
    var pieces: Pieces
    var outcome: Result<Next, TapedeckError> = .success(.done)
    var hasBody = false

    init(run: DownloadRun, state: DownloadState, watch: StallWatch) {
      self.run = run
      self.state = state
      self.watch = watch
      pieces = Pieces(now: run.line.surroundings.now)
    }

    var end: PassEnd {
      PassEnd(state: state, outcome: outcome, unwritten: pieces.held, hasBody: hasBody)
    }

    mutating func run(_ ask: DownloadTable.Ask) async {
      do {
        outcome = .success(try await next(after: ask))
      } catch {
        outcome = .failure(error)
      }
    }

    private mutating func next(after ask: DownloadTable.Ask) async throws(TapedeckError) -> Next {
      let response = try await run.line.openDownload(path: run.path, ask: ask, watch: watch)
      let answer = DownloadAnswer(status: Int(response.status.code), headers: response.headers)
      let (action, decided) = DownloadTable.decide(answer, to: ask, state: state)
      // From here on a dropped response gives its connection up, body and all.
      switch action {
      case .complete: return .done
      case .startOver(let reason): return .startOver(reason)
      case .askWithoutRange: return .ask(.whole)
      case .askForOverlap:
        return DownloadTable.overlapAsk(held: await run.sink.length, state: state).map(Next.ask)
          ?? .startOver("no total is known")
      case .giveUp(let reason): throw TapedeckError(.platformProtocol, detail: reason)
      case .append(let count):
        try await run.adopt(decided, as: &state)
        return try await append(response.body, count: count)
      case .cutAndAppend(let start, let count):
        try await run.sink.cut(to: start)
        try await run.adopt(decided, as: &state)
        return try await append(response.body, count: count)
      case .compareAndAppend(let start, let count):
        return try await compareAndAppend(response.body, from: start, count: count)
      case .takeWhole(let count):
        if await run.sink.length > 0 { try await run.sink.cut(to: 0) }
        run.line.logger.info(
          "the platform sends a recording as a whole; it cannot be resumed", metadata: ["path": "\(run.path)"])
        try await run.adopt(decided, as: &state)
        return try await takeWhole(response.body, count: count)
      }
    }

    private mutating func takeWhole(
      _ body: HTTPClientResponse.Body, count: Int64?
    ) async throws(TapedeckError) -> Next {
      let received = try await move(body, comparing: [], atMost: count ?? .max).received
      if let count, received < count { throw ended(early: count - received) }
      var final = state
      final.totalBytes = received
      try await run.adopt(final, as: &state)
      return .done
    }

    private mutating func append(_ body: HTTPClientResponse.Body, count: Int64) async throws(TapedeckError) -> Next {
      let received = try await move(body, comparing: [], atMost: count).received
      return try await next(gained: received, missing: count - received)
    }

    private mutating func compareAndAppend(
      _ body: HTTPClientResponse.Body, from start: Int64, count: Int64
    ) async throws(TapedeckError) -> Next {
      let held = await run.sink.length
      let expected = try await run.sink.bytes(in: start..<held)
      let (received, differs) = try await move(body, comparing: expected, atMost: count)
      if differs { return .startOver("the bytes held are not the file's any more") }
      return try await next(gained: max(0, received - (held - start)), missing: count - received)
    }

    /// What follows a body that ended cleanly after `gained` new bytes; `missing` were announced beside them.
    private func next(gained: Int64, missing: Int64) async throws(TapedeckError) -> Next {
      if await run.sink.length == state.totalBytes { return .done }
      if missing > 0 { throw ended(early: missing, gained: gained) }
      // A server may answer with less than was asked for; crumbs would make the requests endless.
      if gained >= DownloadTable.overlap { return .goOn }
      throw ended(early: 0, gained: gained)
    }

    private func ended(early missing: Int64, gained: Int64 = 0) -> TapedeckError {
      let detail = "the body ended cleanly, \(missing) bytes before the announced end"
      return gained > 0
        ? TapedeckError(.downloadInterrupted, detail: detail)
        : TapedeckError(
          .notAWholeRecording, "The platform announces more of this recording than it sends.", detail: detail)
    }

    /// Moves a body into the sink, all of it written when this returns. The bytes in `expected` are compared and not written.
    private mutating func move(
      _ body: HTTPClientResponse.Body, comparing expected: [UInt8], atMost limit: Int64
    ) async throws(TapedeckError) -> (received: Int64, differs: Bool) {
      var expected = expected[...]
      var received: Int64 = 0
      var chunks = body.makeAsyncIterator()
      hasBody = true
      while true {
        let arrived: ByteBuffer?
        do {
          watch.expectSign()
          defer { watch.sawSign() }
          arrived = try await chunks.next()
        } catch {
          throw TransportFailure.inBody(error)
        }
        guard var chunk = arrived else { break }
        received += Int64(chunk.readableBytes)
        guard received <= limit else {
          throw TapedeckError(
            .notAWholeRecording, "The platform sends more of this recording than it announced.",
            detail: "more than \(limit) bytes")
        }
        if !expected.isEmpty {
          let overlap = chunk.readBytes(length: min(expected.count, chunk.readableBytes)) ?? []
          guard expected.starts(with: overlap) else { return (received, true) }
          expected = expected.dropFirst(overlap.count)
        }
        if chunk.readableBytes > 0, pieces.add(chunk) { try await write() }
      }
      try await write()
      return (received, false)
    }

    private mutating func write() async throws(TapedeckError) {
      let piece = pieces.take()
      guard piece.readableBytes > 0 else { return }
      Counter(label: "tapedeck_download_bytes_total", dimensions: [("source", run.line.settings.id.rawValue)])
        .increment(by: piece.readableBytes)
      try await run.sink.append(piece)
    }
  }
}
