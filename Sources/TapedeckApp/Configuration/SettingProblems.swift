import Model
import Synchronization

/// The problems that a `SettingsReader` found.
final class SettingProblems: Sendable {
  private let found = Mutex<[(sentence: String, names: [String])]>([])

  var sentences: [String] { found.withLock { $0.map(\.sentence) } }

  /// Remembers a problem once, since a setting may be read several times.
  func add(_ sentence: String, about names: [String]) {
    found.withLock { if !$0.contains(where: { $0.sentence == sentence }) { $0.append((sentence, names)) } }
  }

  func isWrong(_ name: String) -> Bool { found.withLock { $0.contains { $0.names.contains(name) } } }
}

extension TapedeckError {
  /// The error for settings that cannot be used.
  ///
  /// - Parameters:
  ///   - sentences: at least one.
  ///   - unknown: names that are not settings; those that a sentence already mentions are not repeated.
  ///   - places: where the settings were looked for; nil when the sentences say it.
  static func wrongSettings(
    _ sentences: [String], unknown: [UnknownSetting], places: String? = nil
  ) -> TapedeckError {
    let typos = unknown.map(\.sentence).filter { typo in !sentences.contains { $0.contains(typo) } }
    let head = sentences.count < 2 ? [] : ["\(sentences.count) settings are invalid."]
    return TapedeckError(
      .configurationInvalid,
      (head + sentences + typos + (places.map { ["Looked in \($0)."] } ?? [])).joined(separator: " "))
  }
}
