import Model
import Synchronization
import TestKit

/// The platform of one behaviour: a recording for each cut, with right metadata and wrong bytes.
final class HostilePlatform: Sendable {
  private struct Recording: Sendable {
    var cut: Int
    var file: HostileVersion
    var changed: HostileVersion
    /// The number of requests for its bytes.
    var requests: Int
    var isCorrect: Bool
  }

  private let behaviour: HostileBehaviour
  private let recordings: Mutex<[String: Recording]>

  init(_ behaviour: HostileBehaviour, cuts: [Int]) {
    self.behaviour = behaviour
    recordings = Mutex(
      Dictionary(uniqueKeysWithValues: cuts.map { (Self.id($0), Self.recording(behaviour, $0)) }))
  }

  static func id(_ cut: Int) -> String { "cut-at-\(cut)" }

  /// The same in every run, so that a failure can be reproduced.
  private static func seed(_ name: String) -> UInt64 { StableHash.fnv1a(name.utf8) }

  /// The number of requests for a recording's bytes.
  func requests(_ id: String) -> Int { recordings.withLock { $0[id]?.requests ?? 0 } }

  /// Serves this recording correctly from now on, including its header, and in its changed version if it ever changes.
  func answerCorrectly(about id: String) {
    recordings.withLock { recordings in
      guard let cut = recordings[id]?.cut else { return }
      let correct = behaviour.with { if $0.sizes != .unknown, $0.sizes != .zero { $0.sizes = .right } }
      recordings[id] = Self.recording(correct, cut, requests: recordings[id]?.requests ?? 0, isCorrect: true)
    }
  }

  // Each case has its own file, so that bytes of another recording are detected too.
  private static func recording(
    _ behaviour: HostileBehaviour, _ cut: Int, requests: Int = 0, isCorrect: Bool = false
  ) -> Recording {
    let (file, changed) = behaviour.versions(seed: seed("\(behaviour.name) \(cut)"))
    return Recording(cut: cut, file: file, changed: changed, requests: requests, isCorrect: isCorrect)
  }

  /// The complete files that the platform has had.
  func truths(_ id: String) -> [[UInt8]] {
    recordings.withLock { $0[id].map { behaviour.truths(exchange($0, nil, isRedirected: false, id: id)) } } ?? []
  }

  /// The complete file that the platform has after it began to answer correctly.
  func correctFiles(_ id: String) -> [[UInt8]] {
    recordings.withLock { $0[id].map { [behaviour.hasChanged ? $0.changed.bytes : $0.file.bytes] } } ?? []
  }

  func answer(_ request: ScriptedServer.Request) async -> ScriptedServer.Reply {
    let words = request.target.split(separator: "/").map(String.init)
    switch words.first {
    case "oauth2":
      return .json(
        #"{"access_token":"token","token_type":"Bearer","expires_in":36000,"scope":"recording:read recording:download"}"#
      )
    case "api" where words.count == 4:
      return .json(
        #"{"id":"\#(words[3])","status":"available","duration":\#(HostileFile.seconds),"privacy":"standard"}"#)
    case "api" where words.count == 5: return bytes(of: words[3], request, isRedirected: false)
    case "elsewhere": return bytes(of: words[1], request, isRedirected: true)
    default: return .json("{}", status: 404)
    }
  }

  private func bytes(of id: String, _ request: ScriptedServer.Request, isRedirected: Bool) -> ScriptedServer.Reply {
    let recording = recordings.withLock {
      if !isRedirected { $0[id]?.requests += 1 }
      return $0[id]
    }
    guard let recording else { return .json("{}", status: 404) }
    let exchange = exchange(recording, request, isRedirected: isRedirected, id: id)
    guard recording.isCorrect else { return behaviour.answer(to: exchange) }
    return exchange.correct(behaviour.hasChanged ? recording.changed : recording.file)
  }

  private func exchange(
    _ recording: Recording, _ request: ScriptedServer.Request?, isRedirected: Bool, id: String
  ) -> HostileExchange {
    HostileExchange(
      number: recording.requests - 1, cut: recording.cut, file: recording.file, changed: recording.changed,
      start: request?.header("Range").flatMap { Int($0.dropFirst("bytes=".count).dropLast()) },
      ifRange: request?.header("If-Range"), isRedirected: isRedirected, elsewhere: "/elsewhere/\(id)")
  }
}
