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

  /// An absolute path.
  package var dataDirectory: String
  package var deployment: Deployment
  package var listen: Address
  package var metricsListen: Address?
  package var publicOrigin: String?
  package var proxies: TrustedProxies
  /// The maximum number of connections; the limit of descriptors may allow fewer.
  package var connections: Int
  package var connectionsPerAddress: Int
  package var streamsPerIdentity: Int
  package var sources: [SourceSettings]
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
  /// How long no download starts after a disk was found full.
  package var diskRetryInterval: Duration
  /// A name or a path.
  package var ffmpeg: String
  /// How many conversions run at a time.
  package var conversions: Int
  /// How long a worker keeps a job without renewing its lease.
  package var lease: Duration
  package var logLevel: Logger.Level
  package var logFormat: LogFormat
  /// Values that must never be logged.
  package var secrets: [String]

  /// - Parameters:
  ///   - needsPlatform: whether missing settings of the platform are an error.
  ///   - folder: the folder of a relative data directory.
  /// - Throws: `configurationInvalid`, which names the setting and the places, never the value.
  package init(_ reader: SettingsReader, needsPlatform: Bool, folder: String) throws(TapedeckError) {
    let directory = try reader.text(.dataDirectory) ?? "tapedeck-data"
    dataDirectory = directory.hasPrefix("/") ? directory : "\(folder)/\(directory)"
    deployment = try Deployment(reader)
    secrets = deployment.secrets

    listen = try Address(reader, .listen) ?? Address(host: "127.0.0.1", port: 8080)
    metricsListen = try Address(reader, .metricsListen)
    publicOrigin = try Self.origin(reader)
    proxies = try TrustedProxies(try reader.text(.trustedProxies) ?? "")

    connections = Int(try reader.number(.connections, default: 10_000, in: 8...1_000_000))
    connectionsPerAddress = Int(try reader.number(.connectionsPerAddress, default: 1000, in: 4...1_000_000))
    streamsPerIdentity = Int(try reader.number(.streamsPerIdentity, default: 32, in: 1...100_000))

    sources = []
    plans = []
    let named = try Self.sourceNames(reader)
    for (_, id) in named { plans.append(try Self.plan(id, reader)) }
    do {
      sources = try Self.sources(named, reader, &secrets)
    } catch {
      if needsPlatform { throw error }
    }
    syncs = try reader.isOn(.sync)
    signingKey = try reader.secret(.signingKey, file: .signingKeyFile)
    webhookURL = try reader.text(.webhookURL)
    webhookSecret = try reader.secret(.webhookSecret, file: .webhookSecretFile)
    secrets += [signingKey, webhookSecret].compactMap { $0 }

    ingest = try IngestSettings(reader, announces: webhookURL != nil)
    scrub = ScrubSettings(
      days: Int(try reader.number(.verifyDays, default: 30, in: 0...3650)),
      bytesPerSecond: Int64(try reader.number(.verifyRate, default: 20, in: 0...1_000_000) * 1e6))
    reviewsPrivacy = try reader.isOn(.verifyPrivacy)
    minimumFreeBytes = Int64(try reader.number(.minimumFree, default: 256, in: 0...1_000_000_000)) << 20
    diskRetryInterval = .seconds(try reader.number(.diskRetrySeconds, default: 15, in: 0.5...3600))
    ffmpeg = try reader.text(.ffmpeg) ?? "ffmpeg"
    let cores = Double(max(1, ProcessInfo.processInfo.activeProcessorCount))
    conversions = Int(try reader.number(.conversions, default: cores, in: 1...1024))
    lease = .seconds(try reader.number(.leaseSeconds, default: 30, in: 0.5...3600))
    logLevel = try reader.choice(.logLevel, default: .info, of: Logger.Level.allCases)
    logFormat = try reader.choice(.logFormat, default: .json, of: LogFormat.allCases)
    guard listen.isLoopback || publicOrigin?.hasPrefix("https://") == true else {
      throw reader.malformed(
        .listen,
        "is not a loopback address, so passwords would be sent unencrypted. Put a TLS proxy in front and set TAPEDECK_PUBLIC_URL to its https address"
      )
    }
  }

  package var directory: DataDirectory { DataDirectory(path: FilePath(dataDirectory)) }

  /// The error of a command that needs an existing data directory.
  var missingDirectory: TapedeckError {
    TapedeckError(
      .dataDirectoryMissing,
      "There is no data directory at \(dataDirectory). Create it with 'tapedeck serve' or 'tapedeck init', or set TAPEDECK_DATA_DIR."
    )
  }

  private static func origin(_ reader: SettingsReader) throws(TapedeckError) -> String? {
    guard let text = try reader.text(.publicURL) else { return nil }
    guard let url = URLComponents(string: text), let scheme = url.scheme, scheme == "https" || scheme == "http",
      let host = url.host, !host.isEmpty, url.path.isEmpty || url.path == "/", url.query == nil, url.user == nil
    else {
      throw reader.malformed(.publicURL, "must be an address without a path, such as https://tapedeck.example.com")
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

    /// Reads `host:port`; an IPv6 address is in square brackets. Nil when the setting is not set.
    ///
    /// - Throws: `configurationInvalid`.
    init?(_ reader: SettingsReader, _ setting: Setting) throws(TapedeckError) {
      guard let text = try reader.text(setting) else { return nil }
      let colon = text.lastIndex(of: ":") ?? text.startIndex
      let host = text[..<colon].trimmingCharacters(in: CharacterSet(charactersIn: "[]"))
      guard !host.isEmpty, let port = Int(text[text.index(after: colon)...]), (0...65_535).contains(port) else {
        throw reader.malformed(setting, "must be a host and a port, such as 127.0.0.1:8080")
      }
      self.init(host: host, port: port)
    }

    package var isLoopback: Bool { host == "127.0.0.1" || host == "::1" || host == "localhost" }
    package var text: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
  }
}

extension IngestSettings {
  private enum Originals: String, CaseIterable { case keep, discard }

  /// - Parameter announces: whether archived recordings are announced by webhook.
  fileprivate init(_ reader: SettingsReader, announces: Bool) throws(TapedeckError) {
    var jitter = 0.5...1.5
    if let text = try reader.text(.waitJitter) {
      let bounds = text.split(separator: "-").compactMap { Double($0) }
      guard bounds.count == 2, bounds[0] >= 0, bounds[0] <= bounds[1], bounds[1] <= 100 else {
        throw reader.malformed(.waitJitter, "must be two factors such as 0.5-1.5")
      }
      jitter = bounds[0]...bounds[1]
    }
    self.init(
      waiting: WaitingSchedule(
        base: try reader.number(.waitBase, default: 2, in: 1...100), jitter: jitter,
        cap: .seconds(try reader.number(.waitCap, default: 30, in: 0.01...86_400)),
        attempts: Int(try reader.number(.waitAttempts, default: 15, in: 1...10_000))),
      keepsOriginals: try reader.choice(.originals, default: .keep, of: Originals.allCases) == .keep,
      announces: announces)
  }
}
