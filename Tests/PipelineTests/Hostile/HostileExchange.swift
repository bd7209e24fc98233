import TestKit

/// One version of a recording's file, with the validators that the platform sends for it.
struct HostileVersion: Sendable {
  var bytes: [UInt8]
  /// `ETag` and `Last-Modified`, if present.
  var validators: [String: String]

  var tag: String? { validators["ETag"] }
}

/// How an answer breaks off.
enum HostileBreak: Sendable {
  case close, reset, stall
  /// The connection ends between two chunks.
  case noLastChunk
  /// The last chunk is well-formed but comes too early.
  case earlyLastChunk
}

/// One request for a recording's bytes, with the building blocks of its answer.
struct HostileExchange: Sendable {
  /// The number of the request for this recording's bytes, from 0; a redirected one keeps the number of the first.
  var number: Int
  var cut: Int
  var file: HostileVersion
  /// The platform's file after a change.
  var changed: HostileVersion
  /// The start of the requested range.
  var start: Int?
  var ifRange: String?
  /// Whether the request follows a redirect.
  var isRedirected: Bool
  /// The path of the recording's bytes after a redirect.
  var elsewhere: String

  /// The answer of a correct server.
  func correct(_ version: HostileVersion) -> ScriptedServer.Reply {
    let headers = version.validators.merging(["Content-Type": "audio/wav"]) { given, _ in given }
    guard let start, ifRange == nil || ifRange == version.tag else {
      return .response(200, headers, body: version.bytes)
    }
    guard start < version.bytes.count else {
      return .response(416, headers.merging(["Content-Range": "bytes */\(version.bytes.count)"]) { given, _ in given })
    }
    return .response(206, partial(version), body: Array(version.bytes[start...]))
  }

  /// The head of a valid 206.
  func partial(_ version: HostileVersion) -> [String: String] {
    let all = version.bytes.count
    let range = ["Content-Range": "bytes \(start ?? 0)-\(all - 1)/\(all)", "Content-Type": "audio/wav"]
    return version.validators.merging(range) { given, _ in given }
  }

  /// A right answer that breaks off before the file's byte `cut`.
  func broken(_ version: HostileVersion, _ kind: HostileBreak = .close, at cut: Int? = nil) -> ScriptedServer.Reply {
    let start = start ?? 0
    guard start < version.bytes.count else { return correct(version) }
    let sent = Array(version.bytes[start..<min(max(start, cut ?? self.cut), version.bytes.count)])
    var headers = partial(version)
    let pieces = sent.isEmpty ? [] : [sent]
    switch kind {
    case .noLastChunk: return .chunked(206, headers, pieces: pieces, isComplete: false).then(Self.delivered, .close)
    case .earlyLastChunk: return .chunked(206, headers, pieces: pieces)
    case .close, .reset, .stall: break
    }
    headers["Content-Length"] = "\(version.bytes.count - start)"
    let reply = ScriptedServer.Reply.response(206, headers, body: sent)
    // A complete body keeps its connection.
    if kind == .close, start + sent.count == version.bytes.count { return reply }
    return switch kind {
    case .stall: reply.then(.wait(Gate()))
    case .reset: reply.then(Self.delivered, .reset)
    default: reply.then(Self.delivered, .close)
    }
  }

  /// The client drops bytes that it has not delivered when its connection breaks, and the cut would come too early.
  private static let delivered = ScriptedServer.Reply.Step.pause(.milliseconds(600))

  /// A 206 with a modified head; the body is the requested range unless another one is given.
  func odd(
    _ version: HostileVersion? = nil, range: String? = nil, without name: String? = nil,
    headers more: [String: String] = [:], body: [UInt8]? = nil
  ) -> ScriptedServer.Reply {
    let version = version ?? file
    var headers = partial(version).merging(more) { _, more in more }
    if let range { headers["Content-Range"] = range }
    if let name { headers[name] = nil }
    return .response(206, headers, body: body ?? Array(version.bytes[min(start ?? 0, version.bytes.count)...]))
  }

  /// A body without a length: it ends with the connection.
  func untilClose(_ body: ArraySlice<UInt8>, _ version: String = "1.0") -> ScriptedServer.Reply {
    raw("HTTP/\(version) 200 OK\r\nContent-Type: audio/wav\r\nConnection: close\r\n\r\n", Array(body)).then(.close)
  }

  /// A complete file in chunks, without a length.
  func inChunks(_ body: ArraySlice<UInt8>) -> ScriptedServer.Reply {
    .chunked(200, file.validators, pieces: body.isEmpty ? [] : [Array(body)])
  }

  /// Raw bytes, including the head.
  func raw(_ head: String, _ body: [UInt8] = []) -> ScriptedServer.Reply { .init([.send(Array(head.utf8) + body)]) }

  /// An error message in place of audio.
  static let errorText = Array(#"{"error":"upstream timed out","code":504,"retryable":true}"#.utf8)

  static let page = Array("<!DOCTYPE html><html><body><h1>Service Unavailable</h1></body></html>".utf8)
}
