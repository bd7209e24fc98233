package import CXone
import Foundation
package import Logging
package import Model
package import Pipeline
import SystemPackage
package import Web

/// All settings of a node, read and checked; see `docs/configuration.md`.
package struct Settings: Sendable {
  package enum LogFormat: String, Sendable, CaseIterable { case json, text }

  /// Whether conversions use the protections that the kernel offers, or require all of them.
  private enum SandboxUse: String, CaseIterable { case available, required }

  /// An absolute path.
  package var dataDirectory: String
  package var deployment: Deployment
  package var listen: Address
  package var metricsListen: Address?
  package var publicOrigin: String?
  package var proxies: TrustedProxies
  /// The path of the proxy's internal location of the objects; nil when Tapedeck sends all files itself.
  package var accelRedirect: String?
  /// The maximum number of connections; the limit of descriptors may allow fewer.
  package var connections: Int
  package var connectionsPerAddress: Int
  package var streamsPerIdentity: Int
  /// The maximum number of open jobs of an account or API token.
  package var jobsPerIdentity: Int
  /// How long a client may leave a response unread.
  package var clientStall: Duration
  package var sources: [SourceSettings]
  /// Whether any setting that says how to connect to a platform is set.
  package var hasPlatform: Bool
  /// One for each source.
  package var plans: [SyncPlan]
  /// Whether the server syncs by itself.
  package var syncs: Bool
  /// The key that signs statements; nil for the key in the data directory.
  package var signingKey: String?
  package var webhookURL: String?
  package var webhookSecret: String?
  package var ingest: IngestSettings
  package var scrub: ScrubSettings
  /// Whether a scrub also asks the platform for each recording's privacy.
  package var reviewsPrivacy: Bool
  /// New downloads wait while a disk has fewer bytes free.
  package var minimumFreeBytes: Int64
  /// How long new downloads wait after a disk was found full.
  package var diskRetryInterval: Duration
  /// Whether recordings are converted only with all protections of the sandbox.
  package var requiresSandbox: Bool
  /// Whether other processes of the same user may examine the memory of this one, and core dumps are possible.
  package var allowsMemoryDumps: Bool
  /// How many conversions run at a time.
  package var conversions: Int
  /// How long a worker keeps a job without renewing its lease.
  package var lease: Duration
  package var logLevel: Logger.Level
  package var logFormat: LogFormat
  /// Values that must never be logged.
  package var secrets: [String]
  /// Names that resemble settings but are not settings.
  package var unknown: [UnknownSetting]
  /// Files with secrets to which other users of the machine have access.
  package var exposed: [ExposedFile]

  /// - Parameters:
  ///   - needsPlatform: whether missing settings of the platform are an error.
  ///   - folder: the folder of a relative data directory.
  /// - Throws: `configurationInvalid`, which names all wrong settings and the places, never the values.
  package init(_ reader: SettingsReader, needsPlatform: Bool, folder: String) throws(TapedeckError) {
    let directory = reader.text(.dataDirectory) ?? "tapedeck-data"
    dataDirectory = directory.hasPrefix("/") ? directory : "\(folder)/\(directory)"
    deployment = Deployment(reader)
    secrets = deployment.secrets

    listen = Address(reader, .listen) ?? Address(host: "127.0.0.1", port: 8080)
    metricsListen = Address(reader, .metricsListen)
    publicOrigin = Self.origin(reader)
    let proxyList = reader.text(.trustedProxies) ?? ""
    proxies = reader.checked { () throws(TapedeckError) in try TrustedProxies(proxyList) } ?? .none

    accelRedirect = Self.accelRedirect(reader, deployment, proxies)

    connections = Int(reader.number(.connections, default: 5000, in: 8...1_000_000))
    connectionsPerAddress = Int(reader.number(.connectionsPerAddress, default: 1000, in: 4...1_000_000))
    clientStall = .seconds(reader.number(.clientStallSeconds, default: 60, in: 1...3600))
    streamsPerIdentity = Int(reader.number(.streamsPerIdentity, default: 32, in: 1...100_000))
    jobsPerIdentity = Int(reader.number(.jobsPerIdentity, default: 5000, in: 1...10_000_000))

    let named = Self.sourceNames(reader)
    unknown = reader.unknownNames(sources: named.compactMap(\.name))
    plans = named.map { Self.plan($0.id, reader) }
    hasPlatform = Self.hasPlatform(named, reader)
    sources = Self.sources(named, needsPlatform ? reader : reader.separate(), &secrets)
    syncs = reader.isOn(.sync)
    signingKey = reader.secret(.signingKey, file: .signingKeyFile)
    webhookURL = reader.text(.webhookURL)
    webhookSecret = reader.secret(.webhookSecret, file: .webhookSecretFile)
    secrets += [signingKey, webhookSecret].compactMap { $0 }
    exposed = reader.exposedFiles(sources: named.compactMap(\.name))

    ingest = IngestSettings(reader, announces: webhookURL != nil)
    scrub = ScrubSettings(
      days: Int(reader.number(.verifyDays, default: 30, in: 0...3650)),
      bytesPerSecond: Int64(reader.number(.verifyRate, default: 20, in: 0...1_000_000) * 1e6))
    reviewsPrivacy = reader.isOn(.verifyPrivacy)
    minimumFreeBytes = Int64(reader.number(.minimumFree, default: 256, in: 0...1_000_000_000)) << 20
    diskRetryInterval = .seconds(reader.number(.diskRetrySeconds, default: 15, in: 0.5...3600))
    let sandbox = reader.choice(.transcoderSandbox, default: SandboxUse.available, of: SandboxUse.allCases)
    requiresSandbox = sandbox == .required
    allowsMemoryDumps = reader.isOn(.memoryDumps, default: false)
    let cores = Double(max(1, ProcessInfo.processInfo.activeProcessorCount))
    conversions = Int(reader.number(.conversions, default: cores, in: 1...1024))
    lease = .seconds(reader.number(.leaseSeconds, default: 30, in: 0.5...3600))
    logLevel = reader.choice(.logLevel, default: .info, of: Logger.Level.allCases)
    logFormat = reader.choice(.logFormat, default: .json, of: LogFormat.allCases)
    let isEncrypted = publicOrigin?.hasPrefix("https://") == true
    if !listen.isLoopback, !isEncrypted, !reader.isWrong(.publicURL) {
      reader.report(
        .listen,
        "is not a loopback address, so passwords would be sent unencrypted. Put a TLS proxy in front and set TAPEDECK_PUBLIC_URL to its https address"
      )
    }
    if metricsListen?.isLoopback == false, !isEncrypted, !reader.isWrong(.publicURL) {
      reader.report(
        .metricsListen,
        "is not a loopback address, so anyone on the network could read the metrics. Use a loopback address, or set TAPEDECK_PUBLIC_URL to the https address of the TLS proxy in front, and protect the port"
      )
    }
    if let metricsListen, listen.conflicts(with: metricsListen) {
      reader.report(.metricsListen, "must use a different port than TAPEDECK_LISTEN")
    }
    try reader.requireValid(unknown: unknown)
  }

  /// What is not an error and still to be corrected, as sentences.
  package var warnings: [String] { unknown.map(\.sentence) + exposed.map(\.sentence) }

  package var directory: DataDirectory { DataDirectory(path: FilePath(dataDirectory)) }

  /// The error of a command that needs an existing data directory.
  var missingDirectory: TapedeckError {
    TapedeckError(
      .dataDirectoryMissing,
      "There is no data directory at \(dataDirectory). Create it with 'tapedeck serve' or 'tapedeck init --empty', or set TAPEDECK_DATA_DIR."
    )
  }

  private static func accelRedirect(
    _ reader: SettingsReader, _ deployment: Deployment, _ proxies: TrustedProxies
  ) -> String? {
    guard let path = reader.text(.accelRedirect), path != "off" else { return nil }
    if !AccelRedirect.isLocation(path) {
      reader.report(
        .accelRedirect,
        "must be off, or the path of nginx's internal location, such as /tapedeck-objects/, and must not be below a path that Tapedeck serves"
      )
    } else if deployment.storage != nil {
      reader.report(.accelRedirect, "needs an archive in a folder; nginx cannot send the objects of a bucket")
    } else if proxies.isEmpty, !reader.isWrong(.trustedProxies) {
      reader.report(.accelRedirect, "needs TAPEDECK_TRUSTED_PROXIES with the address of nginx")
    } else {
      return path
    }
    return nil
  }

  private static func origin(_ reader: SettingsReader) -> String? {
    guard let text = reader.text(.publicURL) else { return nil }
    guard let url = URLComponents(string: text), let scheme = url.scheme, scheme == "https" || scheme == "http",
      let host = url.host, !host.isEmpty, url.path.isEmpty || url.path == "/", url.query == nil, url.user == nil,
      url.hasUsablePort
    else {
      reader.report(.publicURL, "must be an address without a path, such as https://tapedeck.example.com")
      return nil
    }
    return "\(scheme)://\(host)" + (url.port.map { ":\($0)" } ?? "")
  }
}

extension Settings {
  /// A host and a port to listen on.
  package struct Address: Sendable, Equatable {
    package var host: String
    package var port: Int

    package init(host: String, port: Int) {
      self.host = host
      self.port = port
    }

    /// Reads `host:port`; an IPv6 address is in square brackets. Nil when the setting is not set, or wrong.
    init?(_ reader: SettingsReader, _ setting: Setting) {
      guard let text = reader.text(setting) else { return nil }
      let colon = text.lastIndex(of: ":") ?? text.startIndex
      let host = text[..<colon].trimmingCharacters(in: CharacterSet(charactersIn: "[]"))
      guard !host.isEmpty, let port = Int(text[text.index(after: colon)...]), (0...65_535).contains(port) else {
        reader.report(setting, "must be a host and a port, such as 127.0.0.1:8080")
        return nil
      }
      self.init(host: host, port: port)
    }

    package var isLoopback: Bool { host == "127.0.0.1" || host == "::1" || host == "localhost" }

    /// Whether two servers of this machine cannot listen on both addresses. Port 0 is a free port.
    func conflicts(with other: Address) -> Bool {
      guard port == other.port, port != 0 else { return false }
      let hosts = [host, other.host].map { $0 == "localhost" ? "127.0.0.1" : $0.lowercased() }
      if hosts[0] == hosts[1] || hosts.contains("::") { return true }
      return hosts.contains("0.0.0.0") && !hosts.contains { $0.contains(":") }
    }

    package var text: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
  }
}

extension IngestSettings {
  private enum Originals: String, CaseIterable { case keep, discard }

  /// - Parameter announces: whether archived recordings are announced by webhook.
  fileprivate init(_ reader: SettingsReader, announces: Bool) {
    var jitter = 0.5...1.5
    if let text = reader.text(.waitJitter) {
      let bounds = text.split(separator: "-", omittingEmptySubsequences: false).map { decimalNumber($0) }
      if bounds.count == 2, let low = bounds[0], let high = bounds[1], 0 <= low, low <= high, 0 < high, high <= 100 {
        jitter = low...high
      } else {
        reader.report(.waitJitter, "must be two factors such as 0.5-1.5")
      }
    }
    self.init(
      waiting: WaitingSchedule(
        base: reader.number(.waitBase, default: 2, in: 1...100), jitter: jitter,
        cap: .seconds(reader.number(.waitCap, default: 30, in: 0.01...86_400)),
        attempts: Int(reader.number(.waitAttempts, default: 15, in: 1...10_000))),
      keepsOriginals: reader.choice(.originals, default: .keep, of: Originals.allCases) == .keep,
      announces: announces)
  }
}
