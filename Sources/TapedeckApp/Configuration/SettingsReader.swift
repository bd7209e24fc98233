import Configuration
import Foundation
package import Model
import SystemPackage

/// Reads settings from flags, the environment, `.env` and `tapedeck.yaml`, in this order.
package struct SettingsReader: Sendable {
  private let reader: ConfigReader
  /// The same places one by one, in order of precedence.
  private let layers: [ConfigReader]
  /// The places, for error messages.
  private let places: String

  /// - Parameters:
  ///   - flags: the settings given as flags.
  ///   - file: the YAML file, which must exist; nil for `tapedeck.yaml` in the folder, which need not.
  ///   - folder: the folder of `.env` and `tapedeck.yaml`.
  /// - Throws: `configurationInvalid`.
  package init(
    flags: [Setting: String], file: String?, environment: [String: String], folder: String
  ) async throws(TapedeckError) {
    let dotEnvPath = "\(folder)/.env"
    let yamlPath = file ?? "\(folder)/tapedeck.yaml"
    let dotEnvText = try? String(contentsOfFile: dotEnvPath, encoding: .utf8)
    // The settings of a service are often readable by its own user only.
    if dotEnvText == nil, FileManager.default.fileExists(atPath: dotEnvPath) {
      throw TapedeckError(
        .configurationInvalid,
        "\(dotEnvPath) cannot be read. Check that this user may read it, and that it is UTF-8 text.")
    }
    do {
      let values = flags.map { (AbsoluteConfigKey($0.key.rawValue.split(separator: ".").map(String.init)), $0.value) }
      let given = InMemoryProvider(
        name: "flags",
        values: Dictionary(values.map { ($0.0, ConfigValue(.string($0.1), isSecret: false)) }) { first, _ in first })
      let dotEnv = dotEnvText.map(DotEnv.parse) ?? [:]
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
        .configurationInvalid, "The configuration file \(yamlPath) does not exist or is not valid YAML.", cause: error)
    }
  }

  /// A setting's text; nil when it is not set, or empty.
  ///
  /// - Throws: `configurationInvalid` when it is a list or a table.
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
      // The library's error type is not public; only the description distinguishes a missing value from one of another type.
      if "\(error)".hasPrefix("Missing") { return nil }
      throw malformed(setting, source: source, "must be a single value")
    }
  }

  /// A setting that must be set.
  ///
  /// - Throws: `configurationInvalid` when it is not.
  func required(_ setting: Setting, source: String? = nil) throws(TapedeckError) -> String {
    if let value = try text(setting, source: source) { return value }
    throw TapedeckError(
      .configurationInvalid,
      "\(setting.variable(for: source)) is not set. Looked in \(places).")
  }

  /// - Throws: `configurationInvalid` when it is not a number in the range.
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

  /// A secret, from its own setting or from the file that another setting names; the place with the higher precedence
  /// wins. Nil when neither is set.
  ///
  /// - Throws: `configurationInvalid` when the file cannot be read or is empty.
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

  /// A list of items separated by commas or spaces; empty when it is not set.
  func list(_ setting: Setting, source: String? = nil) throws(TapedeckError) -> [String] {
    try text(setting, source: source)?.split { $0 == "," || $0 == " " }.map(String.init) ?? []
  }

  /// One of several words.
  ///
  /// - Throws: `configurationInvalid`, which lists the words.
  func choice<T: RawRepresentable>(
    _ setting: Setting, default standard: T, of choices: [T], source: String? = nil
  ) throws(TapedeckError) -> T where T.RawValue == String {
    guard let text = try text(setting, source: source) else { return standard }
    if let value = choices.first(where: { $0.rawValue == text }) { return value }
    let names = choices.map(\.rawValue)
    let list = names.count == 2 ? names.joined(separator: " or ") : "one of \(names.joined(separator: ", "))"
    throw malformed(setting, source: source, "must be \(list)")
  }

  private enum Switch: String, CaseIterable { case on, off }

  func isOn(_ setting: Setting) throws(TapedeckError) -> Bool {
    try choice(setting, default: .on, of: Switch.allCases) == .on
  }

  /// The error for a value that breaks a rule. It never contains the value.
  func malformed(_ setting: Setting, source: String? = nil, _ rule: String) -> TapedeckError {
    TapedeckError(
      .configurationInvalid,
      "\(setting.variable(for: source)) \(rule). Looked in \(places).")
  }

  private func short(_ number: Double) -> String {
    number == number.rounded() ? String(Int(number)) : String(number)
  }
}

/// Reads `.env` files: `NAME=value` lines with comments, quotes and `export`.
package enum DotEnv {
  package static func parse(_ text: String) -> [String: String] {
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
