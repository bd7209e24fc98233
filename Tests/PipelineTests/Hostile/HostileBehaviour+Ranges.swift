import Model
import TestKit

extension HostileBehaviour {
  /// Answers with invalid, different or contradictory ranges.
  static let ranges: [HostileBehaviour] = [
    HostileBehaviour("no ranges", .always) { $0.whole() },
    HostileBehaviour("no ranges, closed at the cut", .first) { $0.whole(upTo: $0.cut) },
    HostileBehaviour("no ranges, no length", .everResumed) { $0.inChunks($0.file.bytes[...]) },
    HostileBehaviour("no ranges, closed at the cut each time", .always, ending: unlessComplete(.downloadInterrupted)) {
      $0.whole(upTo: $0.cut)
    },
    HostileBehaviour("a part from before what is held", .resumed(.close)) { $0.starting(at: ($0.start ?? 0) - 1000) },
    HostileBehaviour("a part from 0 whatever was asked", .everResumed) { $0.starting(at: 0) },
    HostileBehaviour("a part from after what is held", .resumed(.close)) { $0.starting(at: ($0.start ?? 0) + 1) },
    HostileBehaviour("another total", .resumed(.close)) { $0.odd(range: $0.range(total: "\(HostileFile.bytes + 1)")) },
    HostileBehaviour("a total of *", .resumed(.close)) { $0.odd(range: $0.range(total: "*")) },
    HostileBehaviour("a total of * whenever asked for a range", .always) {
      $0.start == nil ? $0.whole() : $0.odd(range: $0.range(total: "*"))
    },
    HostileBehaviour("another tag on the same bytes", .resumed(.close)) { $0.odd(headers: ["ETag": "\"other\""]) },
    HostileBehaviour("no tag on the part that resumes", .resumed(.close)) { $0.odd(without: "ETag") },
    HostileBehaviour("two tags, and the bytes are the second's", .resumed(.close)) { exchange in
      let body = Array(exchange.changed.bytes[(exchange.start ?? 0)...])
      return exchange.raw(
        "HTTP/1.1 206 Partial Content\r\nETag: \"v1\"\r\nETag: \"v2\"\r\nContent-Length: \(body.count)\r\n"
          + "Content-Range: \(exchange.range())\r\n\r\n", body)
    }.with { $0.hasChanged = true },
    HostileBehaviour("an empty tag on changed bytes", .resumed(.close)) {
      $0.odd($0.changed, headers: ["ETag": "\"\""])
    }.with {
      $0.validators = .empty
      $0.hasChanged = true
    },
    HostileBehaviour("no Content-Range once it is resumed", .resumed(.close)) { $0.odd(without: "Content-Range") },
    HostileBehaviour("never a Content-Range", .always) {
      $0.start == nil ? $0.whole() : $0.odd(without: "Content-Range")
    },
    HostileBehaviour("a broken Content-Range", .resumed(.close)) { $0.odd(range: "bytes 12-/x") },
    HostileBehaviour("a Content-Range that overflows", .resumed(.close)) {
      $0.odd(range: "bytes \($0.start ?? 0)-99999999999999999999/99999999999999999999999")
    },
    HostileBehaviour("a multipart answer", .resumed(.close)) { exchange in
      let part = "--x\r\nContent-Type: audio/wav\r\nContent-Range: \(exchange.range())\r\n\r\n"
      let body = Array(part.utf8) + exchange.file.bytes[(exchange.start ?? 0)...] + Array("\r\n--x--\r\n".utf8)
      return exchange.odd(
        without: "Content-Range", headers: ["Content-Type": "multipart/byteranges; boundary=x"], body: body)
    },
    HostileBehaviour("a multipart answer with a range of its own", .resumed(.close)) {
      $0.odd(headers: ["Content-Type": "multipart/byteranges; boundary=x"])
    },
    HostileBehaviour("a compressed part", .resumed(.close)) {
      $0.odd(headers: ["Content-Encoding": "gzip"], body: $0.encoded())
    },
    HostileBehaviour("a compressed whole", .always, ending: failing(.platformProtocol)) {
      .response(200, ["Content-Encoding": "gzip"], body: $0.encoded())
    },
    HostileBehaviour("a part in another transfer coding", .resumed(.close)) {
      .chunked(
        206, $0.partial($0.file).merging(["Transfer-Encoding": "gzip, chunked"]) { _, given in given },
        pieces: [$0.encoded()])
    },
    HostileBehaviour("206 to a request without a range", .always, ending: failing(.platformProtocol)) {
      $0.odd(without: "Content-Range")
    },
    HostileBehaviour("at most 70,000 bytes an answer", .everResumed) { $0.piece(70_000) },
    HostileBehaviour("a length that contradicts the range", .first) {
      $0.odd(headers: ["Content-Length": "\($0.cut)"], body: Array($0.file.bytes[..<$0.cut]))
    },
    HostileBehaviour("a part that calls itself the whole", .resumed(.close)) {
      .response(200, $0.partial($0.file), body: Array($0.file.bytes[($0.start ?? 0)...]))
    },
    HostileBehaviour(
      "a first part that calls itself the whole, sizes unknown", .always, ending: unlessComplete(.incompleteRecording)
    ) {
      .response(
        200, ["Content-Range": "bytes 0-\($0.cut - 1)/\(HostileFile.bytes)"], body: Array($0.file.bytes[..<$0.cut]))
    }.with { $0.sizes = .unknown },
    HostileBehaviour("416 that takes what is held for the whole", .resumed(.close)) {
      .response(416, ["Content-Range": "bytes */\($0.start ?? 0)"])
    },
    HostileBehaviour("416 without a total", .resumed(.close)) { _ in .response(416) },
    HostileBehaviour("416 whatever is asked", .everResumed, ending: unlessComplete(.platformProtocol)) { _ in
      .response(416)
    },
  ]
}

extension HostileExchange {
  /// The whole file whatever range was requested, or its beginning followed by the end of the connection.
  func whole(upTo end: Int? = nil) -> ScriptedServer.Reply {
    let headers = file.validators.merging(["Content-Length": "\(file.bytes.count)"]) { given, _ in given }
    let reply = ScriptedServer.Reply.response(200, headers, body: Array(file.bytes[..<(end ?? file.bytes.count)]))
    return end ?? file.bytes.count < file.bytes.count ? reply.then(.close) : reply
  }

  /// A valid 206 that begins at another byte than requested.
  func starting(at start: Int) -> ScriptedServer.Reply {
    var other = self
    other.start = min(max(0, start), file.bytes.count - 1)
    return other.odd()
  }

  /// A valid 206 with at most `count` bytes.
  func piece(_ count: Int) -> ScriptedServer.Reply {
    let start = start ?? 0
    guard start < file.bytes.count else { return correct(file) }
    let end = min(start + count, file.bytes.count)
    return odd(range: "bytes \(start)-\(end - 1)/\(file.bytes.count)", body: Array(file.bytes[start..<end]))
  }

  /// The right `Content-Range`, except for its total.
  func range(total: String = "\(HostileFile.bytes)") -> String {
    "bytes \(start ?? 0)-\(HostileFile.bytes - 1)/\(total)"
  }

  /// The requested number of bytes, which become the file's only after decoding.
  func encoded() -> [UInt8] { file.bytes[(start ?? 0)...].map { $0 ^ 0x5A } }
}
