import AsyncHTTPClient
import Logging
import Metrics
import Model
import NIOCore
import NIOHTTP1

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
      if let total = decided.totalBytes { try run.checkSize(total) }
      // From here on a dropped response gives its connection up, body and all.
      switch action {
      case .complete:
        note("every byte is held already", because: "the platform names the length that is held as the file's")
        try await run.adopt(decided, as: &state)
        return .done
      case .startOver(let reason): return .startOver(reason)
      case .askWithoutRange:
        note(
          "a recording is asked for once more, without a range",
          because: "the answer has no usable Content-Range, or is encoded")
        return .ask(.whole)
      case .askForOverlap:
        note(
          "the end of what is held is asked for once more, to be compared",
          because: "the answer does not say which version of the file it is from")
        return DownloadTable.overlapAsk(held: await run.sink.length, state: state).map(Next.ask)
          ?? .startOver("no total is known")
      case .giveUp(let reason): throw TapedeckError(.platformProtocol, detail: reason)
      case .append(let count):
        let held = await run.sink.length
        try await run.adopt(decided, as: &state)
        return try await append(response.body, count: count, held: held)
      case .cutAndAppend(let start, let count):
        note("a download goes on from byte \(start)", because: "the platform sends more than what is missing")
        let held = await run.sink.length
        try await run.sink.cut(to: start)
        try await run.adopt(decided, as: &state)
        return try await append(response.body, count: count, held: held)
      case .compareAndAppend(let start, let count):
        return try await compareAndAppend(response.body, from: start, count: count)
      case .takeWhole(let count):
        if await run.sink.length > 0 { try await run.sink.cut(to: 0) }
        note(
          decided.isResumable
            ? "the platform sends a recording as a whole"
            : "the platform sends a recording as a whole; it cannot be resumed",
          because: decided.isResumable ? "the file changed, or its tag did" : "it answers 200 instead of a range")
        try await run.adopt(decided, as: &state)
        return try await takeWhole(response.body, count: count, provesItsEnd: answer.provesItsEnd)
      }
    }

    private func note(_ message: Logger.Message, because reason: String) {
      run.line.logger.info(message, metadata: ["path": "\(run.path)", "reason": "\(reason)"])
    }

    private mutating func takeWhole(
      _ body: HTTPClientResponse.Body, count: Int64?, provesItsEnd: Bool
    ) async throws(TapedeckError) -> Next {
      let received = try await move(body, comparing: [], atMost: count ?? .max).received
      if let count, received < count { throw ended(early: count - received) }
      var final = state
      final.totalBytes = provesItsEnd ? received : nil
      try await run.adopt(final, as: &state)
      return .done
    }

    /// `held` is what there was before anything was cut away: bytes that only take the place of others are no gain.
    private mutating func append(
      _ body: HTTPClientResponse.Body, count: Int64, held: Int64
    ) async throws(TapedeckError) -> Next {
      let received = try await move(body, comparing: [], atMost: count).received
      let gained = await run.sink.length - held
      return try await next(gained: gained, missing: count - received)
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
    private mutating func next(gained: Int64, missing: Int64) async throws(TapedeckError) -> Next {
      // First of all: an overlap that did not come to its end proves nothing, even when every byte is held.
      if missing > 0 {
        try await run.adopt(DownloadTable.afterEarlyEnd(state), as: &state)
        throw ended(early: missing, gained: gained)
      }
      if await run.sink.length == state.totalBytes { return .done }
      // A server may answer with less than was asked for; crumbs would make the requests endless.
      if gained >= DownloadTable.overlap { return .goOn }
      throw ended(early: 0, gained: gained)
    }

    private func ended(early missing: Int64, gained: Int64 = 0) -> TapedeckError {
      let detail =
        missing > 0
        ? "the body ended in order, but \(missing) bytes before its announced end"
        : "the platform sent \(max(0, gained)) bytes of what was asked for, and no more"
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
      try run.checkSize(await run.sink.length + Int64(piece.readableBytes))
      Counter(label: "tapedeck_download_bytes_total", dimensions: [("source", run.line.settings.id.rawValue)])
        .increment(by: piece.readableBytes)
      try await run.sink.append(piece)
    }
  }
}
