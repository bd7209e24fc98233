/// The settings. The raw value is the key in `tapedeck.yaml`; the environment variable is derived from it.
package enum Setting: String, CaseIterable, Sendable {
  case contract = "cxone.contract"
  case baseURL = "cxone.baseUrl"
  case clientID = "cxone.clientId"
  case clientSecret = "cxone.clientSecret"
  case clientSecretFile = "cxone.clientSecretFile"
  case accessKeyID = "cxone.accessKeyId"
  case accessKeySecret = "cxone.accessKeySecret"
  case accessKeySecretFile = "cxone.accessKeySecretFile"
  case issuerURL = "cxone.issuerUrl"
  case tenantID = "cxone.tenantId"
  case acdURL = "cxone.acdUrl"
  case areaURL = "cxone.areaUrl"
  case mediaHosts = "cxone.mediaHosts"
  case mediaRate = "cxone.mediaRate"
  case mediaFirstAsk = "cxone.mediaFirstAskSeconds"
  case mediaDeadline = "cxone.mediaDeadlineHours"
  case rate = "cxone.rate"
  case burst = "cxone.burst"
  case searchRate = "cxone.searchRate"
  case metadataRate = "cxone.metadataRate"
  case downloadRate = "cxone.downloadRate"
  case downloads = "cxone.downloads"
  case downloadHosts = "cxone.downloadHosts"
  case ignoredMembers = "cxone.ignoredMembers"
  case stallSeconds = "cxone.stallSeconds"
  case basicEncoding = "cxone.basicEncoding"
  case timeZone = "cxone.timeZone"
  case syncDirection = "cxone.sync.direction"
  case syncAgents = "cxone.sync.agents"
  case syncInterval = "cxone.sync.intervalSeconds"
  case syncOverlap = "cxone.sync.overlapMinutes"
  case syncLookBack = "cxone.sync.lookBackDays"
  case waitBase = "cxone.waitBase"
  case waitJitter = "cxone.waitJitter"
  case waitCap = "cxone.waitCap"
  case waitAttempts = "cxone.waitAttempts"
  case webhookURL = "qm.webhookUrl"
  case webhookSecret = "qm.webhookSecret"
  case webhookSecretFile = "qm.webhookSecretFile"
  case dataDirectory = "tapedeck.dataDir"
  case databaseURL = "tapedeck.databaseUrl"
  case databaseURLFile = "tapedeck.databaseUrlFile"
  case databaseConnections = "tapedeck.databaseConnections"
  case storageURL = "tapedeck.storageUrl"
  case storageKeyID = "aws.accessKeyId"
  case storageSecret = "aws.secretAccessKey"
  case storageSecretFile = "aws.secretAccessKeyFile"
  case storageSessionToken = "aws.sessionToken"
  case storageRegion = "aws.region"
  case listen = "tapedeck.listen"
  case metricsListen = "tapedeck.metricsListen"
  case publicURL = "tapedeck.publicUrl"
  case trustedProxies = "tapedeck.trustedProxies"
  case accelRedirect = "tapedeck.accelRedirect"
  case connections = "tapedeck.connections"
  case connectionsPerAddress = "tapedeck.connectionsPerAddress"
  case clientStallSeconds = "tapedeck.clientStallSeconds"
  case streamsPerIdentity = "tapedeck.streamsPerIdentity"
  case jobsPerIdentity = "tapedeck.jobsPerIdentity"
  case originals = "tapedeck.originals"
  case sources = "tapedeck.sources"
  case sync = "tapedeck.sync"
  case signingKey = "tapedeck.signingKey"
  case signingKeyFile = "tapedeck.signingKeyFile"
  case transcoderSandbox = "tapedeck.transcoderSandbox"
  case memoryDumps = "tapedeck.memoryDumps"
  case conversions = "tapedeck.conversions"
  case leaseSeconds = "tapedeck.leaseSeconds"
  case minimumFree = "tapedeck.minimumFreeMb"
  case diskRetrySeconds = "tapedeck.diskRetrySeconds"
  case verifyDays = "tapedeck.verifyDays"
  case verifyRate = "tapedeck.verifyRateMb"
  case verifyPrivacy = "tapedeck.verifyPrivacy"
  case logLevel = "tapedeck.logLevel"
  case logFormat = "tapedeck.logFormat"

  /// Whether each source has its own value, with the key `source.NAME.…` for sources other than the default one.
  package var isPerSource: Bool {
    switch self {
    case .contract, .accessKeyID, .accessKeySecret, .accessKeySecretFile, .issuerURL, .tenantID, .acdURL, .areaURL,
      .mediaHosts, .mediaRate, .mediaFirstAsk, .mediaDeadline, .baseURL, .clientID, .clientSecret, .clientSecretFile,
      .rate, .burst, .searchRate, .metadataRate,
      .downloadRate, .downloads, .downloadHosts, .ignoredMembers, .stallSeconds, .basicEncoding, .timeZone,
      .syncDirection, .syncAgents,
      .syncInterval,
      .syncOverlap, .syncLookBack:
      true
    default: false
    }
  }

  /// The option of commands that sets it; nil when there is none.
  var flag: String? {
    switch self {
    case .listen: "--listen"
    case .dataDirectory: "--data-dir"
    default: nil
    }
  }

  /// Whether its value must not be readable by other users of the machine.
  var isSecret: Bool {
    switch self {
    case .clientSecret, .accessKeySecret, .webhookSecret, .databaseURL, .storageSecret, .storageSessionToken,
      .signingKey:
      true
    default: false
    }
  }

  /// The key of the setting; `source` is nil for the default source.
  func key(for source: String?) -> String {
    guard let source, isPerSource else { return rawValue }
    return "source.\(source).\(rawValue.dropFirst("cxone.".count))"
  }

  /// The environment variable of the setting: `CXONE_BASE_URL` for `cxone.baseUrl`.
  package func variable(for source: String? = nil) -> String {
    var name = ""
    var previous: Character = " "
    for character in key(for: source) {
      if character.isUppercase, previous.isLowercase { name.append("_") }
      name.append(character.isLetter || character.isNumber ? Character(character.uppercased()) : "_")
      previous = character
    }
    return name
  }
}
