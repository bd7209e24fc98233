import Model
import TestKit

extension HostileBehaviour {
  /// Connections that end, stall or carry more bytes than they should.
  static let connections: [HostileBehaviour] = [
    HostileBehaviour("closed at the cut", .resumed(.close)) { $0.correct($0.file) },
    HostileBehaviour("reset at the cut", .resumed(.reset)) { $0.correct($0.file) },
    HostileBehaviour("no last chunk at the cut", .resumed(.noLastChunk)) { $0.correct($0.file) },
    HostileBehaviour("the last chunk at the cut", .resumed(.earlyLastChunk)) { $0.correct($0.file) },
    HostileBehaviour("stalled at the cut", .resumed(.stall)) { $0.correct($0.file) }
      .with { $0.stallTimeout = .seconds(20) },
    HostileBehaviour("closed at the cut, weak tags", .resumed(.close)) { $0.correct($0.file) }
      .with { $0.validators = .weak },
    HostileBehaviour("closed at the cut, dates alone", .resumed(.close)) { $0.correct($0.file) }
      .with { $0.validators = .dated },
    HostileBehaviour("closed at the cut, no validators", .resumed(.close)) { $0.correct($0.file) }
      .with { $0.validators = .none },
    HostileBehaviour("reset at the cut, no validators", .resumed(.reset)) { $0.correct($0.file) }
      .with { $0.validators = .none },
    HostileBehaviour("every answer closed after a while", .always) {
      $0.broken($0.file, at: max($0.cut, ($0.start ?? 0) + 30_000))
    },
    HostileBehaviour("closed before the first head", .first) { _ in .init([.close]) },
    HostileBehaviour("closed before the head that resumes", .resumed(.close)) { _ in .init([.close]) },
    HostileBehaviour("no answer at first", .first) { _ in .init([.wait(Gate())]) }
      .with { $0.stallTimeout = .seconds(20) },
    HostileBehaviour("one byte at a time around the cut", .first) { exchange in
      let all = exchange.file.bytes
      let slow = max(0, exchange.cut - 100)..<min(exchange.cut + 100, all.count)
      var reply = exchange.odd(headers: ["Content-Length": "\(all.count)"], body: Array(all[..<slow.lowerBound]))
      reply.steps += slow.map { .send([all[$0]]) } + [.send(Array(all[slow.upperBound...]))]
      return reply
    },
    HostileBehaviour("interim answers before each head", .everResumed) { exchange in
      let interim = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n"
      return .init(exchange.raw(interim).steps + exchange.correct(exchange.file).steps)
    },
    HostileBehaviour("a switch of protocols", .resumed(.close), ending: unlessComplete(.platformProtocol)) {
      $0.raw("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n")
    },
    HostileBehaviour("a trailer behind the last chunk", .everResumed) { exchange in
      let reply = ScriptedServer.Reply.chunked(
        206, exchange.partial(exchange.file), pieces: [Array(exchange.file.bytes[(exchange.start ?? 0)...])],
        isComplete: false)
      return .init(reply.steps + exchange.raw("0\r\nContent-Range: bytes 0-0/1\r\n\r\n").steps)
    },
    HostileBehaviour("garbage behind the body", .everResumed) { $0.followed(by: Array(repeating: 0x52, count: 300)) },
    HostileBehaviour("a second answer behind the body", .everResumed) {
      $0.followed(
        by: Array("HTTP/1.1 200 OK\r\nContent-Length: \(HostileExchange.page.count)\r\n\r\n".utf8)
          + HostileExchange.page)
    },
    HostileBehaviour("a head without an end", .resumed(.close)) {
      $0.raw("HTTP/1.1 206 Partial Content\r\nX-Padding: \(String(repeating: "x", count: 200_000))\r\n")
    },
    HostileBehaviour("a status line that is none", .resumed(.close)) { $0.raw("HTTP/banana OK\r\n\r\n") },
    HostileBehaviour("HTTP/1.0, whole", .everResumed) { $0.untilClose($0.file.bytes[...]) },
    HostileBehaviour(
      "HTTP/1.0, closed at the cut each time", .always, ending: unlessComplete(.incompleteRecording)
    ) { $0.untilClose($0.file.bytes[..<$0.cut]) },
    HostileBehaviour("HTTP/1.0, closed at the cut, sizes unknown", .first) { $0.untilClose($0.file.bytes[..<$0.cut]) }
      .with { $0.sizes = .unknown },
    // A complete file cannot be told from a cut one here, so even the complete one must be refused.
    HostileBehaviour(
      "HTTP/1.1 without a length, closed at the cut each time, sizes unknown", .always,
      ending: { _ in .failed(.incompleteRecording) }
    ) { $0.untilClose($0.file.bytes[..<$0.cut], "1.1") }
    .with { $0.sizes = .zero },
    HostileBehaviour("a body without an end", .first) { exchange in
      let head = "HTTP/1.1 200 OK\r\nContent-Type: audio/wav\r\n\r\n"
      return .init([.send(Array(head.utf8) + exchange.file.bytes[..<exchange.cut]), .sendForever(exchange.file.bytes)])
    },
  ]

  /// Expects a failure, except where the first answer was complete before the fault.
  ///
  /// - Parameter empty: the code for a cut before the first byte; nil for the same code.
  static func unlessComplete(
    _ code: TapedeckError.Code, empty: TapedeckError.Code? = nil
  ) -> @Sendable (Int) -> Ending {
    { $0 == HostileFile.bytes ? .archived : .failed($0 == 0 ? empty ?? code : code) }
  }

  /// Expects a failure at every cut.
  static func failing(_ code: TapedeckError.Code) -> @Sendable (Int) -> Ending { { _ in .failed(code) } }
}

extension HostileExchange {
  /// A right answer with more bytes after its end, in the same write.
  func followed(by more: [UInt8]) -> ScriptedServer.Reply {
    guard case .send(let answer) = correct(file).steps.first else { return correct(file) }
    return .init([.send(answer + more)])
  }
}
