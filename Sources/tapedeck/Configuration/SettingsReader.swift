import Configuration
import Foundation
import Model
import SystemPackage

/// Reads settings: flags first, then the environment, `.env`, `tapedeck.yaml`; what is nowhere has its default.
struct SettingsReader: Sendable {
  private let reader: ConfigReader
  /// The same places one by one, the first that counts first.
  private let layers: [ConfigReader]
  /// Where it looks, in words, for error messages.
  private let places: String

  /// - Parameters:
  ///   - flags: by setting; only those that were given.
  ///   - file: the YAML file; one that was named must exist.
  ///   - folder: where `.env` and an unnamed `tapedeck.yaml` are looked for.
  /// - Throws: `configurationInvalid`.
  init(
    flags: [Setting: String], file: String?, environment: [String: String], folder: String
  ) async throws(TapedeckError) {
    let dotEnvPath = "\(folder)/.env"
    let yamlPath = file ?? "\(folder)/tapedeck.yaml"
    let dotEnvText = try? String(contentsOfFile: dotEnvPath, encoding: .utf8)
    // As the service's settings are for everybody but its own user.
    if dotEnvText == nil, FileManager.default.fileExists(atPath: dotEnvPath) {
      throw TapedeckError(
        .configurationInvalid, "\(dotEnvPath) cannot be read by this user, or is no UTF-8 text.")
    }
    do {
      let values = flags.map { (AbsoluteConfigKey($0.key.rawValue.split(separator: ".").map(String.init)), $0.value) }
      let given = InMemoryProvider(
        name: "flags",
        values: Dictionary(values.map { ($0.0, ConfigValue(.string($0.1), isSecret: false)) }) { first, _ in first })
      let dotEnv = dotEnvText.map(Self.parse) ?? [:]
      let yaml = try await FileProvider<YAMLSnapshot>(filePath: FilePath(yamlPath), allowMissing: file == nil)
      let providers: [any ConfigProvider] = [
        given, EnvironmentVariablesProvider(environmentVariables: environment),
        EnvironmentVariablesProvider(environmentVariables: dotEnv), yaml,
      ]
      reader = ConfigReader(providers: providers)
      layers = providers.map { ConfigReader(provider: $0) }
      places = "the flags, the environment, \(dotEnvPath) and \(yamlPath)"
    } catch {
      throw TapedeckError(
        .configurationInvalid, "The configuration file \(yamlPath) is missing or is no valid YAML.", cause: error)
    }
  }

  /// A setting's text; nil when it is nowhere, or empty.
  ///
  /// - Throws: `configurationInvalid` when it is there but is no single value.
  func text(_ setting: Setting, source: String? = nil) throws(TapedeckError) -> String? {
    try text(setting, source: source, in: reader)
  }

  private func text(
    _ setting: Setting, source: String?, in reader: ConfigReader
  ) throws(TapedeckError) -> String? {
    let key = setting.key(for: source)
    do {
      let value = try reader.requiredString(forKey: ConfigKey(key), isSecret: true)
      return value.isEmpty ? nil : value
    } catch {
      // The library's error type is not public; a missing value and one of another type differ in their words alone.
      if "\(error)".hasPrefix("Missing") { return nil }
      throw malformed(setting, source: source, "must be a single value")
    }
  }

  /// - Throws: `configurationInvalid` when it is nowhere.
  func required(_ setting: Setting, source: String? = nil) throws(TapedeckError) -> String {
    if let value = try text(setting, source: source) { return value }
    throw TapedeckError(
      .configurationInvalid,
      "\(Setting.variable(ofKey: setting.key(for: source))) is not set. Looked in \(places).")
  }

  func number(
    _ setting: Setting, default standard: Double, in range: ClosedRange<Double>, source: String? = nil
  ) throws(TapedeckError) -> Double {
    guard let text = try text(setting, source: source) else { return standard }
    guard let value = Double(text), range.contains(value) else {
      throw malformed(
        setting, source: source, "must be a number from \(short(range.lowerBound)) to \(short(range.upperBound))")
    }
    return value
  }

  /// A secret from its own setting or from the file that another names; whichever stands in the place that counts first.
  func secret(_ setting: Setting, file: Setting, source: String? = nil) throws(TapedeckError) -> String? {
    for layer in layers {
      if let value = try text(setting, source: source, in: layer) { return value }
      guard let path = try text(file, source: source, in: layer) else { continue }
      guard let content = try? String(contentsOfFile: path, encoding: .utf8) else {
        throw malformed(file, source: source, "names a file that cannot be read")
      }
      let value = content.trimmingCharacters(in: .whitespacesAndNewlines)
      guard !value.isEmpty else { throw malformed(file, source: source, "names a file that is empty") }
      return value
    }
    return nil
  }

  func malformed(_ setting: Setting, source: String? = nil, _ rule: String) -> TapedeckError {
    TapedeckError(
      .configurationInvalid,
      "\(Setting.variable(ofKey: setting.key(for: source))) \(rule). Looked in \(places).")
  }

  private func short(_ number: Double) -> String {
    number == number.rounded() ? String(Int(number)) : String(number)
  }

  /// `NAME=value` lines with comments and quotes, which the library would keep as they are.
  static func parse(dotEnv text: String) -> [String: String] {
    var values: [String: String] = [:]
    for line in text.split(whereSeparator: \.isNewline) {
      let parts = line.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      guard parts.count == 2, !line.trimmingCharacters(in: .whitespaces).hasPrefix("#") else { continue }
      var name = parts[0].trimmingCharacters(in: .whitespaces)
      if name.hasPrefix("export ") { name = name.dropFirst(7).trimmingCharacters(in: .whitespaces) }
      var value = parts[1].trimmingCharacters(in: .whitespaces)
      if let quote = value.first, quote == "\"" || quote == "'", let end = value.dropFirst().firstIndex(of: quote) {
        value = String(value[value.index(after: value.startIndex)..<end])
      } else if let comment = value.range(of: " #") {
        value = value[..<comment.lowerBound].trimmingCharacters(in: .whitespaces)
      }
      values[name] = value
    }
    return values
  }
}
