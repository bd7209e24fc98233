import Model

/// A variable or YAML key that is not a setting, and the setting that was probably meant.
package struct UnknownSetting: Sendable, Equatable {
  package let name: String
  /// Nil when no setting has a similar name.
  package let suggestion: String?

  init(name: String, known: Set<String>) {
    self.name = name
    let letters = Self.letters(name)
    suggestion =
      known
      .map { (name: $0, distance: editDistance(letters, Self.letters($0))) }
      .filter { $0.distance <= 2 }
      .min { ($0.distance, $0.name) < ($1.distance, $1.name) }?.name
  }

  package var sentence: String {
    "\(name) is not a setting" + (suggestion.map { "; did you mean \($0)?" } ?? ".")
  }

  /// In small letters and without separators, which are misplaced most often.
  private static func letters(_ name: String) -> String { name.lowercased().filter { !"._-".contains($0) } }
}

extension SettingsReader {
  /// Names that are not settings but look like one. In the environment, which other programs use too, only names that
  /// resemble a setting are found; in `.env`, all that begin like one; in the YAML file, all.
  ///
  /// - Parameter sources: the names of the sources that have settings of their own.
  func unknownNames(sources: [String]) -> [UnknownSetting] {
    let names: [String?] = [nil] + sources
    let settings = Setting.allCases.flatMap { setting in
      (setting.isPerSource ? names : [nil]).map { (setting, $0) }
    }
    let variables = Set(settings.map { setting, source in setting.variable(for: source) })
    let keys = Set(settings.map { setting, source in setting.key(for: source) })
    let inEnvironment = environmentNames.union(dotEnvNames).subtracting(variables).sorted().compactMap { name in
      guard ["TAPEDECK_", "CXONE_", "QM_", "SOURCE_"].contains(where: name.hasPrefix) else {
        return nil as UnknownSetting?
      }
      let unknown = UnknownSetting(name: name, known: variables)
      return unknown.suggestion != nil || dotEnvNames.contains(name) ? unknown : nil
    }
    return inEnvironment + yamlKeys.subtracting(keys).sorted().map { UnknownSetting(name: $0, known: keys) }
  }
}
