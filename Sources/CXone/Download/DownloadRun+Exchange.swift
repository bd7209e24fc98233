import AsyncHTTPClient
import HTTPTransport
import Logging
import Metrics
import Model
import NIOCore
import NIOHTTP1

extension DownloadRun {
  /// The result of one exchange.
  struct ExchangeResult: Sendable {
    var state: DownloadState
    var outcome: Result<Next, TapedeckError>
    /// Received bytes that are not yet in the sink.
    var unwritten: ByteBuffer
    var hasBody: Bool
  }

  /// One request and its response.
  struct Exchange {
    let run: DownloadRun
    var state: DownloadState
    let watch: StallWatch
    var buffer: WriteBuffer
    var outcome: Result<Next, TapedeckError> = .success(.done)
    var hasBody = false

    init(run: DownloadRun, state: DownloadState, watch: StallWatch) {
      self.run = run
      self.state = state
      self.watch = watch
      buffer = WriteBuffer(now: run.origin.system.now)
    }

    var result: ExchangeResult {
      ExchangeResult(state: state, outcome: outcome, unwritten: buffer.held, hasBody: hasBody)
    }

    mutating func run(_ request: ResumeRules.Request) async {
      do {
        outcome = .success(try await next(after: request))
      } catch {
        outcome = .failure(error)
      }
    }

    private mutating func next(after request: ResumeRules.Request) async throws(TapedeckError) -> Next {
      let response = try await run.origin.open(request, watch)
      let answer = DownloadAnswer(status: Int(response.status.code), headers: response.headers)
      if let coding = answer.ignoredCoding {
        run.origin.logger.warning(
          "the platform names a content coding that does not exist; the bytes are taken as they are",
          metadata: ["path": "\(run.origin.name)", "coding": "\(coding.prefix(40))"])
      }
      let (decision, decided) = ResumeRules.decide(answer, to: request, state: state)
      if let total = decided.totalBytes { try run.checkSize(total) }
      // From here on, dropping the response closes its connection with the rest of the body.
      switch decision {
      case .complete:
        note("download is already complete", because: "the platform reports the number of held bytes as the total")
        try await run.adopt(decided, as: &state)
        return .done
      case .startOver(let reason): return .startOver(reason)
      case .requestWhole:
        note(
          "requesting the recording without a range",
          because: "the range is rejected, has no usable Content-Range, or the body is encoded")
        return .request(.whole)
      case .requestOverlap:
        note(
          "requesting the last bytes again for comparison", because: "the response does not identify the file version")
        return ResumeRules.overlapRequest(held: await run.sink.length, state: state).map(Next.request)
          ?? .startOver("no total is known")
      case .fail(let reason):
        throw TapedeckError(.platformProtocol, "The platform's download cannot be used: \(reason).", detail: reason)
      case .append(let count):
        let held = await run.sink.length
        try await run.adopt(decided, as: &state)
        return try await append(response.body, count: count, held: held)
      case .cutAndAppend(let start, let count):
        note("download continues at byte \(start)", because: "the platform sends more than the missing bytes")
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
            ? "the platform sends the complete recording"
            : "the platform sends the complete recording; the download cannot be resumed",
          because: decided.isResumable ? "the file or its tag has changed" : "status 200 instead of a range")
        try await run.adopt(decided, as: &state)
        return try await takeWhole(response.body, count: count, provesItsEnd: answer.provesItsEnd)
      }
    }

    private func note(_ message: Logger.Message, because reason: String) {
      run.origin.logger.info(message, metadata: ["path": "\(run.origin.name)", "reason": "\(reason)"])
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

    /// `held` is the number of bytes before any were cut: replaced bytes do not count as gained.
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
      if differs { return .startOver("the held bytes differ from the file") }
      return try await next(gained: max(0, received - (held - start)), missing: count - received)
    }

    /// Continues after a body that ended cleanly with `gained` new bytes, although `missing` more were announced.
    private mutating func next(gained: Int64, missing: Int64) async throws(TapedeckError) -> Next {
      // This check comes first: an overlap that ends early proves nothing, even when all bytes are held.
      if missing > 0 {
        try await run.adopt(ResumeRules.afterEarlyEnd(state), as: &state)
        throw ended(early: missing, gained: gained)
      }
      if await run.sink.length == state.totalBytes { return .done }
      // A server may send less than requested, but with very small parts the download would never end.
      if gained >= ResumeRules.overlap { return .requestNext }
      throw ended(early: 0, gained: gained)
    }

    private func ended(early missing: Int64, gained: Int64 = 0) -> TapedeckError {
      let detail =
        missing > 0
        ? "the body ended cleanly, \(missing) bytes before its announced end"
        : "the platform sent \(max(0, gained)) of the requested bytes, and no more"
      return gained > 0
        ? TapedeckError(.downloadInterrupted, detail: detail)
        : TapedeckError(
          .incompleteRecording, "The platform announces more of this recording than it sends.", detail: detail)
    }

    /// Moves a body into the sink; everything is written on return. Bytes in `expected` are compared instead of
    /// written.
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
          watch.startWaiting()
          defer { watch.stopWaiting() }
          arrived = try await chunks.next()
        } catch {
          throw TransportFailures.cancellation(error)
            ?? TapedeckError(.downloadInterrupted, detail: ConnectionProblem.detail(error), cause: error)
        }
        guard var chunk = arrived else { break }
        received += Int64(chunk.readableBytes)
        guard received <= limit else {
          throw TapedeckError(
            .incompleteRecording, "The platform sends more of this recording than it announced.",
            detail: "more than \(limit) bytes")
        }
        if !expected.isEmpty {
          let overlap = chunk.readBytes(length: min(expected.count, chunk.readableBytes)) ?? []
          guard expected.starts(with: overlap) else { return (received, true) }
          expected = expected.dropFirst(overlap.count)
        }
        if chunk.readableBytes > 0, buffer.add(chunk) { try await write() }
      }
      try await write()
      return (received, false)
    }

    private mutating func write() async throws(TapedeckError) {
      let bytes = buffer.take()
      guard bytes.readableBytes > 0 else { return }
      try run.checkSize(await run.sink.length + Int64(bytes.readableBytes))
      Counter(label: "tapedeck_download_bytes_total", dimensions: [("source", run.origin.settings.id.rawValue)])
        .increment(by: bytes.readableBytes)
      try await run.sink.append(bytes)
    }
  }
}
