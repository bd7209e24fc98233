/// Every setting: its key in `tapedeck.yaml`, whose parts in capitals are the environment variable's name.
enum Setting: String, CaseIterable {
  case baseURL = "cxone.baseUrl"
  case clientID = "cxone.clientId"
  case clientSecret = "cxone.clientSecret"
  case clientSecretFile = "cxone.clientSecretFile"
  case rate = "cxone.rate"
  case burst = "cxone.burst"
  case downloads = "cxone.downloads"
  case downloadHosts = "cxone.downloadHosts"
  case stallSeconds = "cxone.stallSeconds"
  case waitBase = "cxone.waitBase"
  case waitJitter = "cxone.waitJitter"
  case waitCap = "cxone.waitCap"
  case waitAttempts = "cxone.waitAttempts"
  case webhookURL = "qm.webhookUrl"
  case webhookSecret = "qm.webhookSecret"
  case webhookSecretFile = "qm.webhookSecretFile"
  case dataDirectory = "tapedeck.dataDir"
  case listen = "tapedeck.listen"
  case metricsListen = "tapedeck.metricsListen"
  case publicURL = "tapedeck.publicUrl"
  case trustedProxies = "tapedeck.trustedProxies"
  case originals = "tapedeck.originals"
  case sources = "tapedeck.sources"
  case ffmpeg = "tapedeck.ffmpeg"
  case conversions = "tapedeck.conversions"
  case minimumFree = "tapedeck.minimumFreeMb"
  case verifyDays = "tapedeck.verifyDays"
  case verifyRate = "tapedeck.verifyRateMb"
  case verifyPrivacy = "tapedeck.verifyPrivacy"
  case logLevel = "tapedeck.logLevel"
  case logFormat = "tapedeck.logFormat"

  /// Whether a source that is not the default one has a setting of its own, `source.NAME.…`, for it.
  var isPerSource: Bool {
    switch self {
    case .baseURL, .clientID, .clientSecret, .clientSecretFile, .rate, .burst, .downloads, .downloadHosts,
      .stallSeconds:
      true
    default: false
    }
  }

  /// The key of one source's setting.
  func key(for source: String?) -> String {
    guard let source, isPerSource else { return rawValue }
    return "source.\(source).\(rawValue.dropFirst("cxone.".count))"
  }

  /// The environment variable of a key: `cxone.baseUrl` is `CXONE_BASE_URL`.
  static func variable(ofKey key: String) -> String {
    var out = ""
    var previous: Character = " "
    for character in key {
      if character.isUppercase, previous.isLowercase { out.append("_") }
      out.append(character.isLetter || character.isNumber ? Character(character.uppercased()) : "_")
      previous = character
    }
    return out
  }
}
