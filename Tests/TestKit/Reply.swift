extension ScriptedServer {
  /// What the server does about one request. Afterwards the connection is kept open, unless a step ended it.
  package struct Reply: Sendable {
    package enum Step: Sendable {
      case send([UInt8])
      /// Sends the same bytes again and again, for as long as the client takes them.
      case sendForever([UInt8])
      /// Goes on when the gate opens.
      case wait(Gate)
      /// Goes on after a while: what was sent has then come into the client's hands, as far as one can tell from here.
      case pause(Duration)
      /// Ends the connection in order (FIN).
      case close
      /// Breaks the connection (RST).
      case reset
    }

    package var steps: [Step]

    package init(_ steps: [Step]) { self.steps = steps }

    /// A head and a body with its `Content-Length`.
    package static func response(_ status: Int, _ headers: [String: String] = [:], body: [UInt8] = []) -> Reply {
      var headers = headers
      if headers["Content-Length"] == nil { headers["Content-Length"] = "\(body.count)" }
      return Reply([.send(head(status, headers) + body)])
    }

    package static func json(_ text: String, status: Int = 200, _ headers: [String: String] = [:]) -> Reply {
      response(
        status, headers.merging(["Content-Type": "application/json"]) { given, _ in given }, body: Array(text.utf8))
    }

    /// A head and a body in chunks; without its last chunk the body is incomplete.
    package static func chunked(
      _ status: Int, _ headers: [String: String] = [:], pieces: [[UInt8]], isComplete: Bool = true
    ) -> Reply {
      let head = head(status, headers.merging(["Transfer-Encoding": "chunked"]) { given, _ in given })
      let chunks = pieces.map { Array("\(String($0.count, radix: 16))\r\n".utf8) + $0 + Array("\r\n".utf8) }
      return Reply([.send(head)] + chunks.map(Step.send) + (isComplete ? [.send(Array("0\r\n\r\n".utf8))] : []))
    }

    /// The same with more steps behind it.
    package func then(_ more: Step...) -> Reply { Reply(steps + more) }

    private static func head(_ status: Int, _ headers: [String: String]) -> [UInt8] {
      let lines = headers.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)\r\n" }.joined()
      return Array("HTTP/1.1 \(status) Scripted\r\n\(lines)\r\n".utf8)
    }
  }
}
