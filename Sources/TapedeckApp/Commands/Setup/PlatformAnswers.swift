import ArgumentParser
import CXone
import Model

/// The settings of the platform that `tapedeck init` takes as options. Secrets have none: other users of the machine
/// can see the arguments of a command.
struct PlatformFlags: ParsableArguments, Sendable {
  @Option(help: ArgumentHelp("CXONE_CONTRACT: media-playback or recordings-v2.", valueName: "name"))
  var contract: String?
  @Option(name: .customLong("base-url"), help: ArgumentHelp("CXONE_BASE_URL.", valueName: "url")) var baseURL: String?
  @Option(name: .customLong("client-id"), help: ArgumentHelp("CXONE_CLIENT_ID.", valueName: "id"))
  var clientID: String?
  @Option(name: .customLong("access-key-id"), help: ArgumentHelp("CXONE_ACCESS_KEY_ID.", valueName: "id"))
  var accessKeyID: String?
  @Option(name: .customLong("issuer-url"), help: ArgumentHelp("CXONE_ISSUER_URL.", valueName: "url"))
  var issuerURL: String?
  @Option(name: .customLong("tenant-id"), help: ArgumentHelp("CXONE_TENANT_ID.", valueName: "id"))
  var tenantID: String?
  @Option(name: .customLong("acd-url"), help: ArgumentHelp("CXONE_ACD_URL.", valueName: "url")) var acdURL: String?
  @Option(name: .customLong("area-url"), help: ArgumentHelp("CXONE_AREA_URL.", valueName: "url")) var areaURL: String?
  @Option(name: .customLong("media-hosts"), help: ArgumentHelp("CXONE_MEDIA_HOSTS.", valueName: "hosts"))
  var mediaHosts: String?

  var values: [Setting: String] {
    let all: [(Setting, String?)] = [
      (.contract, contract), (.baseURL, baseURL), (.clientID, clientID), (.accessKeyID, accessKeyID),
      (.issuerURL, issuerURL), (.tenantID, tenantID), (.acdURL, acdURL), (.areaURL, areaURL),
      (.mediaHosts, mediaHosts),
    ]
    return Dictionary(uniqueKeysWithValues: all.compactMap { setting, value in value.map { (setting, $0) } })
  }
}

/// The settings of the platform that `tapedeck init` asks for and writes.
enum PlatformAnswers {
  /// Everything that is written where it is known, in this order. Also what `--force` replaces.
  static let settings: [Setting] = [
    .contract, .baseURL, .issuerURL, .accessKeyID, .accessKeySecret, .accessKeySecretFile, .clientID, .clientSecret,
    .clientSecretFile, .tenantID, .acdURL, .areaURL, .mediaHosts, .mediaRate, .basicEncoding,
  ]

  /// The settings of the contract `recordings-v2`. It has no others, and only `media-playback` has the rest.
  private static let ofRecordingsV2: Set<Setting> = [
    .contract, .baseURL, .clientID, .clientSecret, .clientSecretFile, .basicEncoding,
  ]

  /// Whether `.env` or the YAML file has any of these settings.
  static func areSet(in reader: SettingsReader) -> Bool {
    settings.contains { reader.dotEnvNames.contains($0.variable()) || reader.yamlKeys.contains($0.rawValue) }
  }

  /// The values that are known without asking.
  static func known(to reader: SettingsReader) -> [Setting: String] {
    var known: [Setting: String] = [:]
    for setting in settings { known[setting] = reader.text(setting) }
    return known
  }

  /// What is written into `.env`: the settings of the chosen contract.
  static func written(_ answers: [Setting: String]) -> [(name: String, value: String)] {
    let isRecordingsV2 = answers[.contract] != SourceContract.Name.mediaPlayback.rawValue
    return settings.compactMap { setting in
      let isUsed = isRecordingsV2 ? ofRecordingsV2.contains(setting) : setting != .baseURL
      return isUsed ? answers[setting].map { (setting.variable(), $0) } : nil
    }
  }

  /// Checks that no variable of the environment overrides what will be written.
  ///
  /// - Throws: `configurationInvalid`.
  static func requireAgreement(
    _ answers: [Setting: String], with environment: [String: String]
  ) throws(TapedeckError) {
    let names = answers.compactMap { setting, value in
      let name = setting.variable()
      return environment[name].map { !$0.isEmpty && $0 != value } == true ? name : nil
    }
    guard let name = names.min() else { return }
    throw TapedeckError(
      .configurationInvalid,
      "The environment has another value of \(name), which would take precedence over the settings file. Unset it.")
  }

  /// Asks for the settings on a terminal. Enter keeps the value that is known.
  ///
  /// - Parameter known: what flags, environment and earlier answers say.
  /// - Throws: `interrupted` at the end of input.
  static func ask(_ known: [Setting: String]) throws(TapedeckError) -> [Setting: String] {
    var answers = known
    func ask(_ setting: Setting, _ question: String, default standard: String? = nil) throws(TapedeckError) {
      let value = try Question.ask(question, known: answers[setting] ?? standard, isSecret: setting.isSecret)
      answers[setting] = value.isEmpty ? nil : value
    }
    try ask(
      .contract, "API of the platform (media-playback, which NICE documents, or recordings-v2)",
      default: SourceContract.Name.mediaPlayback.rawValue)
    guard answers[.contract] == SourceContract.Name.mediaPlayback.rawValue else {
      try ask(.baseURL, "Base URL of the API")
      try ask(.clientID, "Client ID")
      if answers[.clientSecretFile] == nil { try ask(.clientSecret, "Client secret") }
      return answers
    }
    try ask(
      .issuerURL, "Sign-in address (FedRAMP: https://cxone-gov.niceincontact.com)",
      default: MediaPlaybackAccess.standardIssuer)
    try ask(.accessKeyID, "Access key ID")
    if answers[.accessKeySecretFile] == nil { try ask(.accessKeySecret, "Access key secret") }
    try ask(.clientID, "Client ID of the application; leave empty without one")
    if answers[.clientID] == nil {
      try ask(.tenantID, "Tenant ID, a UUID; leave empty to give the area instead")
      if answers[.tenantID] == nil {
        try ask(.areaURL, "Address of the area, such as https://na1.nice-incontact.com")
      }
    } else if answers[.clientSecretFile] == nil {
      try ask(.clientSecret, "Client secret")
    }
    return answers
  }
}
