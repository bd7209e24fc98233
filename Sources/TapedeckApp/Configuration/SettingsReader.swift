import Configuration
import Foundation
package import Model
import Synchronization
import SystemPackage

/// Reads settings from flags, the environment, `.env` and `tapedeck.yaml`, in this order.
///
/// An invalid value is noted and replaced by the default, so that `requireValid` can name all invalid settings at once.
package struct SettingsReader: Sendable {
  private let reader: ConfigReader
  /// The same places one by one, in order of precedence.
  private let layers: [ConfigReader]
  /// The places, for error messages.
  private let places: String
  let dotEnvPath: String
  let yamlPath: String
  /// The names found in each place, settings or not.
  let environmentNames: Set<String>
  let dotEnvNames: Set<String>
  let yamlKeys: Set<String>
  private var problems = SettingProblems()
  private let secretFiles = SecretFiles()
  /// The settings given as flags.
  private let given: Set<Setting>

  /// - Parameters:
  ///   - flags: the settings given as flags.
  ///   - file: the YAML file, which must exist; nil for `tapedeck.yaml` in the folder, which need not.
  ///   - folder: the folder of `.env` and `tapedeck.yaml`.
  /// - Throws: `configurationInvalid`.
  package init(
    flags: [Setting: String], file: String?, environment: [String: String], folder: String
  ) async throws(TapedeckError) {
    given = Set(flags.keys)
    dotEnvPath = "\(folder)/.env"
    yamlPath = file ?? "\(folder)/tapedeck.yaml"
    let dotEnvText = try? RegularFile.text(at: dotEnvPath)
    // The settings of a service are often readable by its own user only.
    if dotEnvText == nil, FileManager.default.fileExists(atPath: dotEnvPath) {
      throw TapedeckError(
        .configurationInvalid,
        "\(dotEnvPath) cannot be read. Check that this user may read it, and that it is a file of UTF-8 text.")
    }
    // The library opens it, and would wait for the writer of a pipe.
    do { _ = try RegularFile.bytes(at: yamlPath) } catch RegularFile.Failure.notRegular {
      throw TapedeckError(.configurationInvalid, "The configuration file \(yamlPath) is not a regular file.")
    } catch {}
    do {
      let values = flags.map { (AbsoluteConfigKey($0.key.rawValue.split(separator: ".").map(String.init)), $0.value) }
      let flagValues = InMemoryProvider(
        name: "flags",
        values: Dictionary(values.map { ($0.0, ConfigValue(.string($0.1), isSecret: false)) }) { first, _ in first })
      let dotEnv = dotEnvText.map(DotEnv.parse) ?? [:]
      let keys = KeyNames()
      let yaml = try await FileProvider<YAMLSnapshot>(
        parsingOptions: .init(secretsSpecifier: .dynamic { key, _ in keys.add(key) }), filePath: FilePath(yamlPath),
        allowMissing: file == nil)
      let providers: [any ConfigProvider] = [
        flagValues, EnvironmentVariablesProvider(environmentVariables: environment),
        EnvironmentVariablesProvider(environmentVariables: dotEnv), yaml,
      ]
      reader = ConfigReader(providers: providers)
      environmentNames = Set(environment.keys)
      dotEnvNames = Set(dotEnv.keys)
      yamlKeys = keys.all
      layers = providers.map { ConfigReader(provider: $0) }
      places = "the flags, the environment, \(dotEnvPath) and \(yamlPath)"
    } catch {
      throw TapedeckError(
        .configurationInvalid, "The configuration file \(yamlPath) does not exist or is not valid YAML.", cause: error)
    }
  }

  /// The keys of a YAML file, which the library reveals only by asking whether each value is secret.
  private final class KeyNames: Sendable {
    private let names = Mutex<Set<String>>([])
    var all: Set<String> { names.withLock { $0 } }

    /// - Returns: true, since every value may be a secret.
    func add(_ name: String) -> Bool {
      names.withLock { _ = $0.insert(name) }
      return true
    }
  }

  // MARK: Problems

  /// A reader whose problems are not those of this one, for settings that may be wrong.
  func separate() -> SettingsReader {
    var copy = self
    copy.problems = SettingProblems()
    return copy
  }

  /// Remembers that a value breaks a rule. The message never contains the value.
  func report(_ setting: Setting, source: String? = nil, _ rule: String) {
    let name = setting.variable(for: source)
    // A value that was typed as a flag is named as it was typed.
    let shown = given.contains(setting) ? setting.flag ?? name : name
    problems.add("\(shown) \(rule).", about: [name])
  }

  /// Remembers that settings must be set and are not.
  func reportUnset(_ settings: [Setting], source: String? = nil) {
    let names = settings.map { $0.variable(for: source) }
    let keys = settings.map { $0.key(for: source) }
    let list = names.count < 2 ? names.joined() : "\(names.dropLast().joined(separator: ", ")) and \(names.last ?? "")"
    let typos = unknownNames(sources: source.map { [$0] } ?? []).filter { unknown in
      unknown.suggestion.map { names.contains($0) || keys.contains($0) } ?? false
    }
    problems.add(
      (["\(list) \(names.count < 2 ? "is" : "are") not set."] + typos.map(\.sentence)).joined(separator: " "),
      about: names)
  }

  /// The result of `body`; nil when it throws, and then its error is remembered.
  func checked<T>(_ body: () throws(TapedeckError) -> T) -> T? {
    do throws(TapedeckError) { return try body() } catch {
      problems.add(error.message, about: [])
      return nil
    }
  }

  /// Whether a problem of a setting was found.
  func isWrong(_ setting: Setting, source: String? = nil) -> Bool { problems.isWrong(setting.variable(for: source)) }

  var hasProblems: Bool { !problems.sentences.isEmpty }

  /// - Parameter unknown: names that are not settings, which the error mentions too, but which alone are not an error.
  /// - Throws: `configurationInvalid`, with every problem and the places.
  func requireValid(unknown: [UnknownSetting]) throws(TapedeckError) {
    guard hasProblems else { return }
    throw .wrongSettings(problems.sentences, unknown: unknown, places: places)
  }

  // MARK: Values

  /// A setting's text; nil when it is not set, or empty. A list or a table is a problem.
  func text(_ setting: Setting, source: String? = nil) -> String? { text(setting, source: source, in: reader) }

  private func text(_ setting: Setting, source: String?, in reader: ConfigReader) -> String? {
    let key = setting.key(for: source)
    do {
      let value = try reader.requiredString(forKey: ConfigKey(key), isSecret: true)
      return value.isEmpty ? nil : value
    } catch {
      // The library's error type is not public; only the description distinguishes a missing value from one of another
      // type.
      if !"\(error)".hasPrefix("Missing") { report(setting, source: source, "must be a single value") }
      return nil
    }
  }

  /// A number in a range.
  func number(
    _ setting: Setting, default standard: Double, in range: ClosedRange<Double>, source: String? = nil
  ) -> Double {
    guard let text = text(setting, source: source) else { return standard }
    if let value = decimalNumber(text), range.contains(value) { return value }
    report(setting, source: source, "must be a number from \(short(range.lowerBound)) to \(short(range.upperBound))")
    return standard
  }

  /// A secret, from its own setting or from the file that another setting names; the place with the higher precedence
  /// wins. Nil when neither is set. A file that cannot be read or is empty is a problem.
  func secret(_ setting: Setting, file: Setting, source: String? = nil) -> String? {
    for layer in layers {
      if let value = text(setting, source: source, in: layer) { return value }
      guard let path = text(file, source: source, in: layer) else { continue }
      guard let content = try? RegularFile.text(at: path) else {
        report(file, source: source, "names a file that cannot be read")
        return nil
      }
      secretFiles.add(path)
      let value = content.trimmingCharacters(in: .whitespacesAndNewlines)
      if value.isEmpty { report(file, source: source, "names a file that is empty") }
      return value.isEmpty ? nil : value
    }
    return nil
  }

  /// The files with secrets to which other users of the machine have access: `.env` and the YAML file when they hold a
  /// secret, and the files of secrets that were read.
  ///
  /// - Parameter sources: the names of the sources that have settings of their own.
  func exposedFiles(sources: [String]) -> [ExposedFile] {
    let names: [String?] = [nil] + sources
    let secrets = Setting.allCases.filter(\.isSecret).flatMap { setting in
      (setting.isPerSource ? names : [nil]).map { (setting, $0) }
    }
    var paths = secretFiles.paths
    if secrets.contains(where: { dotEnvNames.contains($0.variable(for: $1)) }) { paths.insert(dotEnvPath) }
    if secrets.contains(where: { yamlKeys.contains($0.key(for: $1)) }) { paths.insert(yamlPath) }
    return paths.sorted().compactMap { ExposedFile(path: $0) }
  }

  /// A list of items separated by commas or spaces; empty when it is not set.
  func list(_ setting: Setting, source: String? = nil) -> [String] {
    text(setting, source: source)?.split { $0 == "," || $0 == " " }.map(String.init) ?? []
  }

  /// One of several words; the message about another word lists them.
  func choice<T: RawRepresentable>(
    _ setting: Setting, default standard: T, of choices: [T], source: String? = nil
  ) -> T where T.RawValue == String {
    guard let text = text(setting, source: source) else { return standard }
    if let value = choices.first(where: { $0.rawValue == text }) { return value }
    let names = choices.map(\.rawValue)
    let list = names.count == 2 ? names.joined(separator: " or ") : "one of \(names.joined(separator: ", "))"
    report(setting, source: source, "must be \(list)")
    return standard
  }

  private enum Switch: String, CaseIterable { case on, off }

  func isOn(_ setting: Setting, default standard: Bool = true) -> Bool {
    choice(setting, default: standard ? .on : .off, of: Switch.allCases) == .on
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
