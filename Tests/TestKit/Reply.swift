extension ScriptedServer {
  /// How the server answers one request. Afterwards the connection stays open, unless a step ended it.
  package struct Reply: Sendable {
    package enum Step: Sendable {
      case send([UInt8])
      /// Sends the same bytes again and again, for as long as the client takes them.
      case sendForever([UInt8])
      /// Waits until the gate opens.
      case wait(Gate)
      /// Waits, so that the client has most likely received what was sent.
      case pause(Duration)
      /// Closes the connection (FIN).
      case close
      /// Resets the connection (RST).
      case reset
    }

    package var steps: [Step]

    package init(_ steps: [Step]) { self.steps = steps }

    /// A response with `Content-Length`.
    package static func response(_ status: Int, _ headers: [String: String] = [:], body: [UInt8] = []) -> Reply {
      var headers = headers
      if headers["Content-Length"] == nil { headers["Content-Length"] = "\(body.count)" }
      return Reply([.send(head(status, headers) + body)])
    }

    package static func json(_ text: String, status: Int = 200, _ headers: [String: String] = [:]) -> Reply {
      response(
        status, headers.merging(["Content-Type": "application/json"]) { given, _ in given }, body: Array(text.utf8))
    }

    /// A response in chunks; without the last chunk the body is incomplete.
    package static func chunked(
      _ status: Int, _ headers: [String: String] = [:], pieces: [[UInt8]], isComplete: Bool = true
    ) -> Reply {
      let head = head(status, headers.merging(["Transfer-Encoding": "chunked"]) { given, _ in given })
      let chunks = pieces.map { Array("\(String($0.count, radix: 16))\r\n".utf8) + $0 + Array("\r\n".utf8) }
      return Reply([.send(head)] + chunks.map(Step.send) + (isComplete ? [.send(Array("0\r\n\r\n".utf8))] : []))
    }

    /// This reply with more steps at its end.
    package func then(_ more: Step...) -> Reply { Reply(steps + more) }

    private static func head(_ status: Int, _ headers: [String: String]) -> [UInt8] {
      let lines = headers.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)\r\n" }.joined()
      return Array("HTTP/1.1 \(status) Scripted\r\n\(lines)\r\n".utf8)
    }
  }
}
