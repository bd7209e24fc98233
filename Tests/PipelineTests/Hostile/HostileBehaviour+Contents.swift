import Model
import TestKit

extension HostileBehaviour {
  /// Wrong lengths, and bodies that are not recordings.
  static let contents: [HostileBehaviour] = [
    HostileBehaviour("a length that ends at the cut", .first) { .response(200, body: Array($0.file.bytes[..<$0.cut])) },
    HostileBehaviour("a length that ends at the cut each time", .always, ending: unlessComplete(.incompleteRecording)) {
      .response(200, body: Array($0.file.bytes[..<$0.cut]))
    },
    HostileBehaviour("a total that ends at the cut", .first) { $0.shortened() },
    HostileBehaviour(
      "a total that ends at the cut each time", .always,
      ending: unlessComplete(.incompleteRecording, empty: .platformProtocol)
    ) { $0.shortened() },
    HostileBehaviour("a total beyond the file's end", .first) { $0.lengthened() },
    HostileBehaviour(
      "a total beyond the file's end each time", .everResumed, ending: unlessComplete(.downloadInterrupted)
    ) { $0.lengthened() },
    HostileBehaviour("a total beyond all files", .first) {
      .chunked(
        206, ["Content-Range": "bytes 0-4611686018427387902/4611686018427387903", "ETag": "\"v1\""],
        pieces: [Array($0.file.bytes[..<max(1, $0.cut)])], isComplete: false
      ).then(.close)
    },
    HostileBehaviour("a length beyond the body", .first) {
      .response(200, ["Content-Length": "\(HostileFile.bytes + 10)"], body: $0.file.bytes).then(.close)
    },
    HostileBehaviour("more bytes than announced", .first) {
      .chunked(206, $0.partial($0.file), pieces: [$0.file.bytes, HostileExchange.errorText])
    },
    HostileBehaviour("an error behind the file", .first) {
      .response(200, body: $0.file.bytes + HostileExchange.errorText)
    },
    HostileBehaviour("an error behind the file each time", .always) {
      .response(200, body: $0.file.bytes + HostileExchange.errorText)
    }.with { $0.truths = { [$0.file.bytes + HostileExchange.errorText] } },
    HostileBehaviour("a line end behind the file", .first) { .response(200, body: $0.file.bytes + [13, 10]) },
    HostileBehaviour("an error at the cut, then the last chunk", .first) {
      .chunked(206, $0.partial($0.file), pieces: [$0.file.bytes[..<$0.cut] + HostileExchange.errorText])
    },
    HostileBehaviour("an error at the cut, then the last chunk, no length", .first) {
      $0.inChunks($0.file.bytes[..<$0.cut] + HostileExchange.errorText)
    },
    HostileBehaviour("an error at the cut, then closed, no validators", .first) {
      let space = max(0, HostileFile.bytes - $0.cut - 1)
      return $0.odd(
        headers: ["Content-Length": "\(HostileFile.bytes)"],
        body: $0.file.bytes[..<$0.cut] + Array(HostileExchange.errorText.prefix(space))
      ).then(.close)
    }.with { $0.validators = .none },
    HostileBehaviour("a length and chunks", .first) {
      .chunked(
        206, $0.partial($0.file).merging(["Content-Length": "\($0.cut)"]) { _, given in given }, pieces: [$0.file.bytes]
      )
    },
    HostileBehaviour("two lengths", .first) {
      $0.raw(
        "HTTP/1.1 200 OK\r\nContent-Length: \(HostileFile.bytes)\r\nContent-Length: \($0.cut)\r\n\r\n", $0.file.bytes)
    },
    HostileBehaviour("a length that overflows", .first) {
      $0.raw("HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n", Array($0.file.bytes[..<$0.cut]))
    },
    HostileBehaviour("a web page each time", .always, ending: failing(.incompleteRecording)) { _ in page() },
    HostileBehaviour("an error in JSON where it is resumed", .resumed(.close)) { _ in
      .response(200, ["Content-Type": "audio/wav"], body: HostileExchange.errorText)
    },
    HostileBehaviour("plain text from then on", .everResumed, ending: unlessComplete(.incompleteRecording)) { _ in
      .response(200, ["Content-Type": "text/plain"], body: Array("Gone for lunch.\n".utf8))
    },
    HostileBehaviour("an HLS playlist", .always, ending: failing(.incompleteRecording)) { _ in
      .response(
        200, ["Content-Type": "audio/wav"], body: Array("#EXTM3U\n#EXTINF:9,\n/etc/passwd\n#EXT-X-ENDLIST\n".utf8))
    },
    HostileBehaviour("an ffconcat playlist", .first) { _ in
      .response(200, ["Content-Type": "audio/wav"], body: Array("ffconcat version 1.0\nfile /etc/passwd\n".utf8))
    },
    HostileBehaviour("a header without sound", .first) {
      .response(200, body: Array($0.file.bytes[..<HostileFile.headerBytes]))
    },
    HostileBehaviour("nothing at all", .always, ending: failing(.incompleteRecording)) { _ in .response(200) },
    HostileBehaviour("sizes of 0xFFFFFFFF", .resumed(.close)) { $0.correct($0.file) }.with { $0.sizes = .unknown },
    HostileBehaviour("sizes of 0, no validators", .resumed(.close)) { $0.correct($0.file) }
      .with {
        $0.sizes = .zero
        $0.validators = .none
      },
    HostileBehaviour(
      "a container larger than the file", .resumed(.close), ending: failing(.incompleteRecording)
    ) {
      $0.correct($0.file)
    }.with { $0.sizes = .containerTooLarge },
    HostileBehaviour("a container smaller than the file", .resumed(.close)) { $0.correct($0.file) }
      .with { $0.sizes = .containerTooSmall },
    HostileBehaviour(
      "more audio announced than there is", .resumed(.close), ending: failing(.incompleteRecording)
    ) {
      $0.correct($0.file)
    }.with { $0.sizes = .audioTooLarge },
    HostileBehaviour(
      "less audio announced than there is", .resumed(.close), ending: failing(.incompleteRecording)
    ) {
      $0.correct($0.file)
    }.with { $0.sizes = .audioTooSmall },
  ]

  private static func page() -> ScriptedServer.Reply {
    .response(200, ["Content-Type": "text/html"], body: HostileExchange.page)
  }
}

extension HostileExchange {
  /// A range and a total that end at the cut.
  func shortened() -> ScriptedServer.Reply {
    let start = min(start ?? 0, cut)
    return odd(range: "bytes \(start)-\(cut - 1)/\(cut)", body: Array(file.bytes[start..<cut]))
  }

  /// A total that is a thousand bytes too large; the connection ends where the file ends.
  func lengthened() -> ScriptedServer.Reply {
    let (start, all) = (start ?? 0, HostileFile.bytes + 1000)
    return odd(range: "bytes \(start)-\(all - 1)/\(all)", headers: ["Content-Length": "\(all - start)"]).then(.close)
  }
}
