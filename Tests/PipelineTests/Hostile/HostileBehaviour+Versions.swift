import Model
import TestKit

extension HostileBehaviour {
  /// Files that change while they are downloaded, and bytes of another file.
  static let versions: [HostileBehaviour] = [
    changing("the file changes") { $0.correct($0.changed) },
    changing("the file changes, If-Range is not understood") { $0.odd($0.changed) },
    changing("the file changes, weak tags") { $0.correct($0.changed) }.with { $0.validators = .weak },
    changing("the file changes, the weak tag stays") { $0.correct($0.changed) }.with { $0.validators = .sameWeak },
    changing("the file changes, no validators") { $0.correct($0.changed) }.with { $0.validators = .none },
    changing("the file becomes longer") { $0.odd($0.changed) }.with { $0.change = .longer },
    changing("a few bytes are silenced, weak tags") { $0.correct($0.changed) }
      .with {
        $0.change = .masked
        $0.validators = .weak
      },
    changing("a few bytes are silenced, dates alone") { $0.correct($0.changed) }
      .with {
        $0.change = .masked
        $0.validators = .dated
      },
    changing("a strong tag becomes a weak one, on changed bytes") {
      $0.odd($0.changed, headers: ["ETag": "W/\"v2\""])
    },
    HostileBehaviour("two versions in turn, If-Range is not understood", .everResumed) { $0.odd($0.inTurn) },
    HostileBehaviour("two versions in turn, no validators", .everResumed) { $0.correct($0.inTurn) }
      .with { $0.validators = .none },
    HostileBehaviour(
      "two versions in turn, each closed at the cut", .always, ending: unlessComplete(.downloadInterrupted)
    ) { $0.broken($0.inTurn) },
    HostileBehaviour(
      "two versions in turn, each closed a little later", .always, ending: failing(.downloadInterrupted)
    ) {
      $0.broken($0.inTurn, at: min($0.cut, 90_001) + $0.number)
    },
    HostileBehaviour("bytes of another recording, no validators", .resumed(.close)) { $0.odd($0.changed) }
      .with { $0.validators = .none },
    HostileBehaviour("shifted by one byte, no validators", .resumed(.close)) {
      $0.odd(body: $0.file.bytes[(($0.start ?? 0) + 1)...] + [0])
    }.with { $0.validators = .none },
    HostileBehaviour("a hundred bytes again, no validators", .resumed(.close)) { exchange in
      let start = exchange.start ?? 0
      let again = max(0, start - 100)
      return exchange.odd(body: Array(exchange.file.bytes[again..<HostileFile.bytes - (start - again)]))
    }.with { $0.validators = .none },
    HostileBehaviour("zeros from the cut on, no validators", .resumed(.close)) {
      $0.odd(body: Array(repeating: 0, count: HostileFile.bytes - ($0.start ?? 0)))
    }.with { $0.validators = .none },
  ]

  /// The file changes after the first answer is cut.
  private static func changing(_ name: String, _ wrong: @escaping Answer) -> HostileBehaviour {
    HostileBehaviour(name, .resumed(.close), wrong).with { $0.hasChanged = true }
  }
}

extension HostileExchange {
  /// One version for requests with an even number, the other for those with an odd number.
  var inTurn: HostileVersion { number % 2 == 0 ? file : changed }
}
