import CXone
import Foundation
import Model

extension Settings {
  private enum SyncDirection: String, CaseIterable { case outbound, inbound, `internal`, all }

  /// The configured sources, each with the name used in its settings; nil for the default source (`CXONE_…`).
  static func sourceNames(_ reader: SettingsReader) -> [(name: String?, id: SourceID)] {
    let names = reader.list(.sources)
    let hasDefault = reader.text(.baseURL) != nil || reader.text(.accessKeyID) != nil || names.isEmpty
    var named: [(name: String?, id: SourceID)] = hasDefault ? [(nil, .default)] : []
    for name in names {
      if let id = SourceID(name), id != .default {
        named.append((name, id))
      } else {
        reader.report(.sources, "must list names of a-z, 0-9, '-' and '_', without 'default'")
      }
    }
    return named
  }

  /// Whether a source is named, or any setting says how to connect to the default one.
  static func hasPlatform(_ named: [(name: String?, id: SourceID)], _ reader: SettingsReader) -> Bool {
    named.contains { $0.name != nil }
      || [
        Setting.baseURL, .clientID, .clientSecret, .clientSecretFile, .accessKeyID, .accessKeySecret,
        .accessKeySecretFile,
      ].contains { reader.text($0) != nil }
  }

  /// How to connect to each source; empty when a setting of one is missing or wrong.
  static func sources(
    _ named: [(name: String?, id: SourceID)], _ reader: SettingsReader, _ secrets: inout [String]
  ) -> [SourceSettings] {
    let sources = named.compactMap { name, id in source(id, named: name, reader, &secrets) }
    return sources.count == named.count ? sources : []
  }

  private static func source(
    _ id: SourceID, named name: String?, _ reader: SettingsReader, _ secrets: inout [String]
  ) -> SourceSettings? {
    let secret = reader.secret(.clientSecret, file: .clientSecretFile, source: name)
    if let secret { secrets.append(secret) }
    let clientID = reader.text(.clientID, source: name)
    let kind = reader.choice(.contract, default: .recordingsV2, of: SourceContract.Name.allCases, source: name)
    var contract = SourceContract.recordingsV2
    var baseURL: String?
    var isComplete = true
    switch kind {
    case .recordingsV2:
      baseURL = reader.text(.baseURL, source: name)
      var missing: [Setting] = []
      if baseURL == nil { missing.append(.baseURL) }
      if clientID == nil { missing.append(.clientID) }
      if secret == nil, !reader.isWrong(.clientSecretFile, source: name) { missing.append(.clientSecret) }
      if !missing.isEmpty { reader.reportUnset(missing, source: name) }
      isComplete = missing.isEmpty && secret != nil
    case .mediaPlayback:
      if let access = mediaPlayback(named: name, reader, &secrets) {
        baseURL = access.issuerURL
        contract = .mediaPlayback(access)
      }
    }
    let placeholder = kind == .recordingsV2 ? "-" : ""
    let encoding = reader.choice(.basicEncoding, default: .automatic, of: BasicEncoding.allCases, source: name)
    let rate = reader.number(.rate, default: 10, in: 0...100_000, source: name)
    let burst = Int(reader.number(.burst, default: 20, in: 1...100_000, source: name))
    let rates = classRates(reader, source: name)
    let downloads = Int(reader.number(.downloads, default: 4, in: 1...256, source: name))
    let stall = reader.number(.stallSeconds, default: 300, in: 1...86_400, source: name)
    let hosts = reader.list(.downloadHosts, source: name)
    if !hosts.allSatisfy(SourceSettings.isDownloadHost) {
      reader.report(
        .downloadHosts, source: name,
        "must list hosts such as media.example.com or *.cdn.example.com, without scheme, port and path; '*.' must be followed by a name of at least two parts"
      )
    }
    let ignored = reader.list(.ignoredMembers, source: name)
    if !ignored.allSatisfy(SourceSettings.canIgnore) {
      reader.report(
        .ignoredMembers, source: name,
        "must not name the list of recordings or what says whether it continues, such as recordings, nextCursor, hasMore or truncated: Tapedeck reads these itself"
      )
    }
    guard let baseURL else { return nil }
    // The address is checked even when the other settings are missing.
    return reader.checked { () throws(TapedeckError) in
      try SourceSettings(
        id: id, baseURL: baseURL, clientID: clientID ?? placeholder, clientSecret: secret ?? placeholder, rate: rate,
        burst: burst, classRates: rates, parallelDownloads: downloads, stallTimeout: .seconds(stall),
        allowedDownloadHosts: hosts, ignoredMembers: ignored, basicEncoding: encoding, userAgent: Tapedeck.userAgent,
        contract: contract)
    }.flatMap { isComplete ? $0 : nil }
  }

  private static func classRates(_ reader: SettingsReader, source: String?) -> [RequestClass: Double] {
    var rates: [RequestClass: Double] = [:]
    for (kind, setting) in [
      (RequestClass.search, Setting.searchRate), (.metadata, .metadataRate), (.download, .downloadRate),
    ] {
      let rate = reader.number(setting, default: 0, in: 0...100_000, source: source)
      if rate > 0 { rates[kind] = rate }
    }
    return rates
  }

  /// How a source is synced.
  static func plan(_ id: SourceID, _ reader: SettingsReader) -> SyncPlan {
    let source = id == .default ? nil : id.rawValue
    let zone = CalendarZone(reader.text(.timeZone, source: source) ?? "UTC")
    if zone == nil {
      reader.report(.timeZone, source: source, "must be the name of a time zone, such as Europe/Berlin")
    }
    let direction = reader.choice(.syncDirection, default: .outbound, of: SyncDirection.allCases, source: source)
    func number(_ setting: Setting, default standard: Double, in range: ClosedRange<Double>) -> Int {
      Int(reader.number(setting, default: standard, in: range, source: source))
    }
    return SyncPlan(
      source: id,
      filter: SyncFilter(
        direction: Direction(rawValue: direction.rawValue), agentIDs: Set(reader.list(.syncAgents, source: source))),
      zone: zone ?? .utc, interval: .seconds(number(.syncInterval, default: 60, in: 1...86_400)),
      overlap: .seconds(60 * number(.syncOverlap, default: 60, in: 0...10_080)),
      lookBackDays: number(.syncLookBack, default: 7, in: 0...366))
  }
}
