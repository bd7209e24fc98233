import CXone
import Foundation
import Model

extension Settings {
  private enum SyncDirection: String, CaseIterable { case outbound, inbound, `internal`, all }

  /// The configured sources, each with the name used in its settings; nil for the default source (`CXONE_…`).
  static func sourceNames(_ reader: SettingsReader) throws(TapedeckError) -> [(name: String?, id: SourceID)] {
    let names = try reader.list(.sources)
    let hasDefault = try reader.text(.baseURL) != nil || names.isEmpty
    var named: [(name: String?, id: SourceID)] = hasDefault ? [(nil, .default)] : []
    for name in names {
      guard let id = SourceID(name), id != .default else {
        throw reader.malformed(.sources, "must list names of a-z, 0-9, '-' and '_', without 'default'")
      }
      named.append((name, id))
    }
    return named
  }

  /// How to connect to each source.
  ///
  /// - Throws: `configurationInvalid`.
  static func sources(
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
          allowedDownloadHosts: try reader.list(.downloadHosts, source: name),
          basicEncoding: try reader.choice(
            .basicEncoding, default: .automatic, of: BasicEncoding.allCases, source: name),
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

  /// How a source is synced.
  ///
  /// - Throws: `configurationInvalid`.
  static func plan(_ id: SourceID, _ reader: SettingsReader) throws(TapedeckError) -> SyncPlan {
    let source = id == .default ? nil : id.rawValue
    guard let zone = CalendarZone(try reader.text(.timeZone, source: source) ?? "UTC") else {
      throw reader.malformed(.timeZone, source: source, "must be the name of a time zone, such as Europe/Berlin")
    }
    let direction = try reader.choice(
      .syncDirection, default: .outbound, of: SyncDirection.allCases, source: source)
    func number(
      _ setting: Setting, default standard: Double, in range: ClosedRange<Double>
    ) throws(TapedeckError) -> Int {
      Int(try reader.number(setting, default: standard, in: range, source: source))
    }
    return SyncPlan(
      source: id,
      filter: SyncFilter(
        direction: Direction(rawValue: direction.rawValue),
        agentIDs: Set(try reader.list(.syncAgents, source: source))),
      zone: zone, interval: .seconds(try number(.syncInterval, default: 60, in: 1...86_400)),
      overlap: .seconds(60 * (try number(.syncOverlap, default: 60, in: 0...10_080))),
      lookBackDays: try number(.syncLookBack, default: 7, in: 0...366))
  }
}
