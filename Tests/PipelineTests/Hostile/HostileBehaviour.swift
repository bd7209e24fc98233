import Model
import TestKit
import Testing

/// One way in which a platform misbehaves, and what must come of it.
struct HostileBehaviour: Sendable, CustomTestStringConvertible {
  enum Ending: Hashable, Sendable {
    case archived
    case failed(TapedeckError.Code)
  }

  /// What the platform says of its files' versions.
  enum Validators: Sendable { case strong, weak, sameWeak, empty, dated, none }

  /// What becomes of the file when it changes.
  enum Change: Sendable {
    case otherBytes, longer
    /// A second near each end is silenced, as when card numbers are taken out; all else stays, for more than 64 KiB.
    case masked
  }

  /// Which of the requests for a recording's bytes are answered wrongly.
  enum When: Sendable {
    /// The first.
    case first
    /// The one after a right answer that broke off at the cut.
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
  /// Whether the answers after the wrong ones are of the changed file.
  var hasChanged = false
  /// After this long without a byte a download counts as broken.
  var stallTimeout = Duration.seconds(300)
  /// The whole files that the platform has had, each of which may be archived.
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

  /// The same with more said about it.
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
    case (.first, _), (.resumed, _): exchange.honest(later)
    }
  }

  /// The file of a case and what it changes into, which no other case has.
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
