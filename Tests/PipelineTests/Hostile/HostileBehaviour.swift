import Model
import TestKit
import Testing

/// One way in which a platform misbehaves, and the expected outcome.
struct HostileBehaviour: Sendable, CustomTestStringConvertible {
  enum Ending: Hashable, Sendable {
    case archived
    case failed(TapedeckError.Code)
  }

  /// The version information that the platform sends.
  enum Validators: Sendable { case strong, weak, sameWeak, empty, dated, none }

  /// How the file changes.
  enum Change: Sendable {
    case otherBytes, longer
    /// A second near each end is muted, as when card numbers are removed; the rest, more than 64 KiB, stays the same.
    case masked
  }

  /// Which of the requests for a recording's bytes get a wrong answer.
  enum When: Sendable {
    /// The first.
    case first
    /// The one after a right answer that breaks off at the cut.
    case resumed(HostileBreak)
    /// That one and all later ones.
    case everResumed
    case always
  }

  typealias Answer = @Sendable (HostileExchange) -> ScriptedServer.Reply

  var name: String
  var when: When
  var validators = Validators.strong
  var sizes = HostileFile.Sizes.right
  var change = Change.otherBytes
  /// Whether the answers after the wrong ones use the changed file.
  var hasChanged = false
  /// A download counts as interrupted after this long without a byte.
  var stallTimeout = Duration.seconds(300)
  /// The complete files that the platform has had, each of which may be archived.
  var truths: @Sendable (HostileExchange) -> [[UInt8]] = { [$0.file.bytes, $0.changed.bytes] }
  var ending: @Sendable (_ cut: Int) -> Ending
  var wrong: Answer

  var testDescription: String { name }

  init(
    _ name: String, _ when: When, ending: @escaping @Sendable (_ cut: Int) -> Ending = { _ in .archived },
    _ wrong: @escaping Answer
  ) {
    self.name = name
    self.when = when
    self.ending = ending
    self.wrong = wrong
  }

  /// Returns a copy with other properties changed.
  func with(_ set: (inout HostileBehaviour) -> Void) -> HostileBehaviour {
    var copy = self
    set(&copy)
    return copy
  }

  func answer(to exchange: HostileExchange) -> ScriptedServer.Reply {
    let later = hasChanged ? exchange.changed : exchange.file
    return switch (when, exchange.number) {
    case (.first, 0), (.always, _), (.everResumed, 1...), (.resumed, 1): wrong(exchange)
    case (.resumed(let kind), 0): exchange.broken(exchange.file, kind)
    case (.everResumed, _): exchange.broken(exchange.file)
    case (.first, _), (.resumed, _): exchange.correct(later)
    }
  }

  /// The file of a case and its changed version; each case has its own.
  func versions(seed: UInt64) -> (file: HostileVersion, changed: HostileVersion) {
    let file = HostileFile.make(seed: seed, sizes: sizes)
    let changed: [UInt8]
    switch change {
    case .otherBytes: changed = HostileFile.make(seed: ~seed, sizes: sizes)
    case .longer: changed = HostileFile.make(seed: ~seed, sizes: sizes, longer: 2000)
    case .masked:
      changed = file.enumerated().map {
        (100..<2100).contains($0.offset) || (94_000..<96_000).contains($0.offset) ? 0 : $0.element
      }
    }
    return (
      HostileVersion(bytes: file, validators: headers(version: 1)),
      HostileVersion(bytes: changed, validators: headers(version: 2))
    )
  }

  private func headers(version: Int) -> [String: String] {
    switch validators {
    case .strong: ["ETag": "\"v\(version)\""]
    case .weak: ["ETag": "W/\"v\(version)\""]
    case .sameWeak: ["ETag": "W/\"v\""]
    case .empty: ["ETag": "\"\""]
    case .dated: ["Last-Modified": "Mon, 02 Mar 2026 10:00:0\(version) GMT"]
    case .none: [:]
    }
  }
}
