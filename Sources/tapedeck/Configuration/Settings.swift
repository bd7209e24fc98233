import Audio
import CXone
import Foundation
import Logging
import Model
import Pipeline
import Web
import Webhooks

/// Everything that can be set, read and checked; see `docs/configuration.md`.
struct Settings: Sendable {
  /// Where to listen: a host and a port.
  struct Address: Sendable, Equatable {
    var host: String
    var port: Int

    var isLoopback: Bool { host == "127.0.0.1" || host == "::1" || host == "localhost" }
    var text: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
  }

  enum LogFormat: String { case json, text }

  /// Absolute.
  var dataDirectory: String
  var deployment: Deployment
  var listen: Address
  var metricsListen: Address?
  var publicOrigin: String?
  var proxies: TrustedProxies
  var sources: [SourceSettings]
  /// One for each source.
  var plans: [SyncPlan]
  /// Whether the server looks for new calls by itself.
  var syncs: Bool
  /// What statements are signed with; nil for a key of the data directory.
  var signingKey: String?
  var webhookURL: String?
  var webhookSecret: String?
  var ingest: IngestSettings
  var scrub: ScrubSettings
  /// Whether the platform is asked who may hear a recording whenever it is verified by itself.
  var reviewsPrivacy: Bool
  /// New downloads wait while a disk has fewer bytes free.
  var minimumFreeBytes: Int64
  var ffmpeg: String
  var conversions: Int
  /// How long a job is left to a worker that gives no sign of life.
  var lease: Duration
  var logLevel: Logger.Level
  var logFormat: LogFormat
  /// What must never be written to a log.
  var secrets: [String]

  /// - Throws: `configurationInvalid`, which names the setting and where it was looked for, never its value.
  init(_ reader: SettingsReader, needsPlatform: Bool, folder: String) throws(TapedeckError) {
    let directory = try reader.text(.dataDirectory) ?? "tapedeck-data"
    dataDirectory = directory.hasPrefix("/") ? directory : "\(folder)/\(directory)"
    deployment = try Deployment(reader)
    listen = try Self.address(try reader.text(.listen) ?? "127.0.0.1:8080", .listen, reader)
    metricsListen = nil
    if let text = try reader.text(.metricsListen) { metricsListen = try Self.address(text, .metricsListen, reader) }
    publicOrigin = try Self.origin(reader)
    proxies = try TrustedProxies(try reader.text(.trustedProxies) ?? "")
    secrets = deployment.secrets
    sources = []
    plans = []
    syncs = try Self.isOn(.sync, reader)
    signingKey = try reader.secret(.signingKey, file: .signingKeyFile)
    if let signingKey { secrets.append(signingKey) }
    let named = try Self.sourceNames(reader)
    for (_, id) in named { plans.append(try Self.plan(id, reader)) }
    do {
      sources = try Self.sources(named, reader, &secrets)
    } catch {
      if needsPlatform { throw error }
    }
    webhookURL = try reader.text(.webhookURL)
    webhookSecret = try reader.secret(.webhookSecret, file: .webhookSecretFile)
    if let webhookSecret { secrets.append(webhookSecret) }
    ingest = try Self.ingest(reader, announces: webhookURL != nil)
    scrub = ScrubSettings(
      days: Int(try reader.number(.verifyDays, default: 30, in: 0...3650)),
      bytesPerSecond: Int64(try reader.number(.verifyRate, default: 20, in: 0...1_000_000) * 1e6))
    let review = try reader.text(.verifyPrivacy) ?? "on"
    guard review == "on" || review == "off" else { throw reader.malformed(.verifyPrivacy, "must be on or off") }
    reviewsPrivacy = review == "on"
    minimumFreeBytes = Int64(try reader.number(.minimumFree, default: 256, in: 0...1_000_000_000)) << 20
    ffmpeg = try reader.text(.ffmpeg) ?? "ffmpeg"
    let cores = Double(max(1, ProcessInfo.processInfo.activeProcessorCount))
    conversions = Int(try reader.number(.conversions, default: cores, in: 1...1024))
    lease = .seconds(try reader.number(.leaseSeconds, default: 30, in: 0.5...3600))
    guard let level = Logger.Level(rawValue: try reader.text(.logLevel) ?? "info") else {
      throw reader.malformed(.logLevel, "must be one of trace, debug, info, notice, warning, error, critical")
    }
    logLevel = level
    guard let format = LogFormat(rawValue: try reader.text(.logFormat) ?? "json") else {
      throw reader.malformed(.logFormat, "must be json or text")
    }
    logFormat = format
    guard listen.isLoopback || publicOrigin?.hasPrefix("https://") == true else {
      throw reader.malformed(
        .listen,
        "is not a loopback address, and sign-ins would travel in clear. Put a TLS proxy in front and set TAPEDECK_PUBLIC_URL to its https address"
      )
    }
  }

  /// The sources that are configured, each with the name that its settings have; nil for the plain `CXONE_…` ones.
  private static func sourceNames(_ reader: SettingsReader) throws(TapedeckError) -> [(name: String?, id: SourceID)] {
    let names = try reader.text(.sources)?.split { $0 == "," || $0 == " " }.map(String.init) ?? []
    let hasDefault = try reader.text(.baseURL) != nil || names.isEmpty
    var named: [(name: String?, id: SourceID)] = hasDefault ? [(nil, .default)] : []
    for name in names {
      guard let id = SourceID(name), name != "default" else {
        throw reader.malformed(.sources, "must list names of a-z, 0-9, '-' and '_', without 'default'")
      }
      named.append((name, id))
    }
    return named
  }

  private static func sources(
    _ named: [(name: String?, id: SourceID)], _ reader: SettingsReader, _ secrets: inout [String]
  ) throws(TapedeckError) -> [SourceSettings] {
    var sources: [SourceSettings] = []
    for (name, id) in named {
      guard let secret = try reader.secret(.clientSecret, file: .clientSecretFile, source: name) else {
        _ = try reader.required(.clientSecret, source: name)
        continue
      }
      secrets.append(secret)
      sources.append(
        try SourceSettings(
          id: id, baseURL: try reader.required(.baseURL, source: name),
          clientID: try reader.required(.clientID, source: name), clientSecret: secret,
          rate: try reader.number(.rate, default: 10, in: 0...100_000, source: name),
          burst: Int(try reader.number(.burst, default: 20, in: 1...100_000, source: name)),
          classRates: try classRates(reader, source: name),
          parallelDownloads: Int(try reader.number(.downloads, default: 4, in: 1...256, source: name)),
          stallTimeout: .seconds(try reader.number(.stallSeconds, default: 300, in: 1...86_400, source: name)),
          allowedDownloadHosts: try reader.text(.downloadHosts, source: name)?
            .split { $0 == "," || $0 == " " }.map(String.init) ?? [],
          userAgent: Tapedeck.userAgent))
    }
    return sources
  }

  private static func classRates(
    _ reader: SettingsReader, source: String?
  ) throws(TapedeckError) -> [RequestClass: Double] {
    var rates: [RequestClass: Double] = [:]
    for (kind, setting) in [
      (RequestClass.search, Setting.searchRate), (.metadata, .metadataRate), (.download, .downloadRate),
    ] {
      let rate = try reader.number(setting, default: 0, in: 0...100_000, source: source)
      if rate > 0 { rates[kind] = rate }
    }
    return rates
  }

  private static func ingest(_ reader: SettingsReader, announces: Bool) throws(TapedeckError) -> IngestSettings {
    var jitter = 0.5...1.5
    if let text = try reader.text(.waitJitter) {
      let bounds = text.split(separator: "-").compactMap { Double($0) }
      guard bounds.count == 2, bounds[0] >= 0, bounds[0] <= bounds[1], bounds[1] <= 100 else {
        throw reader.malformed(.waitJitter, "must be two factors such as 0.5-1.5")
      }
      jitter = bounds[0]...bounds[1]
    }
    let originals = try reader.text(.originals) ?? "keep"
    guard originals == "keep" || originals == "discard" else {
      throw reader.malformed(.originals, "must be keep or discard")
    }
    return IngestSettings(
      waiting: WaitingSchedule(
        base: try reader.number(.waitBase, default: 2, in: 1...100), jitter: jitter,
        cap: .seconds(try reader.number(.waitCap, default: 30, in: 0.01...86_400)),
        attempts: Int(try reader.number(.waitAttempts, default: 15, in: 1...10_000))),
      keepsOriginals: originals == "keep", announces: announces)
  }

  private static func address(
    _ text: String, _ setting: Setting, _ reader: SettingsReader
  ) throws(TapedeckError) -> Address {
    guard let colon = text.lastIndex(of: ":"), let port = Int(text[text.index(after: colon)...]),
      (0...65_535).contains(port)
    else { throw reader.malformed(setting, "must be a host and a port, such as 127.0.0.1:8080") }
    let host = text[..<colon].trimmingCharacters(in: CharacterSet(charactersIn: "[]"))
    guard !host.isEmpty else { throw reader.malformed(setting, "must be a host and a port, such as 127.0.0.1:8080") }
    return Address(host: host, port: port)
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
