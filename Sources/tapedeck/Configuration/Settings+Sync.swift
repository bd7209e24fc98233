import Foundation
import Model
import TransparencyLog

extension Settings {
  /// How new calls of a source are looked for.
  ///
  /// - Throws: `configurationInvalid`, which names the setting.
  static func plan(_ id: SourceID, _ reader: SettingsReader) throws(TapedeckError) -> SyncPlan {
    let source = id == .default ? nil : id.rawValue
    let zoneName = try reader.text(.timeZone, source: source) ?? "UTC"
    guard let zone = CalendarZone(zoneName) else {
      throw reader.malformed(.timeZone, source: source, "must be the name of a time zone, such as Europe/Berlin")
    }
    let direction = try reader.text(.syncDirection, source: source) ?? Direction.outbound.rawValue
    guard direction == "all" || Direction(rawValue: direction) != nil else {
      throw reader.malformed(.syncDirection, source: source, "must be outbound, inbound, internal or all")
    }
    let agents = try reader.text(.syncAgents, source: source)?.split { $0 == "," || $0 == " " }.map(String.init) ?? []
    func number(
      _ setting: Setting, default standard: Double, in range: ClosedRange<Double>
    ) throws(TapedeckError) -> Int {
      Int(try reader.number(setting, default: standard, in: range, source: source))
    }
    return SyncPlan(
      source: id, filter: SyncFilter(direction: Direction(rawValue: direction), agentIDs: Set(agents)), zone: zone,
      interval: .seconds(try number(.syncInterval, default: 60, in: 1...86_400)),
      overlap: .seconds(60 * (try number(.syncOverlap, default: 60, in: 0...10_080))),
      lookBackDays: try number(.syncLookBack, default: 7, in: 0...366))
  }

  static func isOn(_ setting: Setting, _ reader: SettingsReader) throws(TapedeckError) -> Bool {
    switch try reader.text(setting) ?? "on" {
    case "on": true
    case "off": false
    default: throw reader.malformed(setting, "must be on or off")
    }
  }

  /// What statements are signed with: the configured key, or one that is made once and kept in the data directory.
  ///
  /// - Throws: `configurationInvalid`.
  func statementSigner() throws(TapedeckError) -> NoteSigner {
    let host = publicOrigin.flatMap { URLComponents(string: $0)?.host } ?? "tapedeck.local"
    var text = signingKey ?? ""
    if text.isEmpty { text = try directory.key("statement-key") { NoteSigner(newKeyNamed: host)?.revealed ?? "" } }
    guard let signer = NoteSigner(text) else {
      throw TapedeckError(
        .configurationInvalid,
        "TAPEDECK_SIGNING_KEY (or keys/statement-key of the data directory) is not a private key of the form PRIVATE+KEY+name+hash+key."
      )
    }
    return signer
  }
}
