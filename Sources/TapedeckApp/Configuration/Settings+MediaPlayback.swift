import CXone
import Model

extension Settings {
  /// What a source of the contract `media-playback` needs; nil when a setting is missing or wrong.
  static func mediaPlayback(
    named name: String?, _ reader: SettingsReader, _ secrets: inout [String]
  ) -> MediaPlaybackAccess? {
    let keySecret = reader.secret(.accessKeySecret, file: .accessKeySecretFile, source: name)
    if let keySecret { secrets.append(keySecret) }
    let keyID = reader.text(.accessKeyID, source: name)
    var missing: [Setting] = []
    if keyID == nil { missing.append(.accessKeyID) }
    if keySecret == nil, !reader.isWrong(.accessKeySecretFile, source: name) { missing.append(.accessKeySecret) }
    if !missing.isEmpty { reader.reportUnset(missing, source: name) }
    let hosts = reader.list(.mediaHosts, source: name)
    if !hosts.allSatisfy(SourceSettings.isDownloadHost) {
      reader.report(
        .mediaHosts, source: name,
        "must list hosts such as media.example.com or *.cdn.example.com, without scheme, port and path; '*.' must be followed by a name of at least two parts"
      )
    }
    var rate = MediaRate.standard
    if let text = reader.text(.mediaRate, source: name) {
      if let read = MediaRate(text) {
        rate = read
      } else {
        reader.report(.mediaRate, source: name, "must be a number of requests in a time, such as 150/300s")
      }
    }
    let firstAsk = reader.number(.mediaFirstAsk, default: 600, in: 1...86_400, source: name)
    let deadline = reader.number(.mediaDeadline, default: 48, in: 1...8760, source: name)
    let issuer = address(.issuerURL, named: name, reader)
    let acd = address(.acdURL, named: name, reader)
    let area = address(.areaURL, named: name, reader)
    guard let keyID, let keySecret else { return nil }
    return reader.checked { () throws(TapedeckError) in
      try MediaPlaybackAccess(
        accessKeyID: keyID, accessKeySecret: keySecret, issuerURL: issuer ?? MediaPlaybackAccess.standardIssuer,
        tenantID: reader.text(.tenantID, source: name), acdURL: acd, areaURL: area, mediaHosts: hosts, rate: rate,
        waiting: DeadlineSchedule(firstAsk: .seconds(firstAsk), deadline: .seconds(deadline * 3600)))
    }
  }

  private static func address(_ setting: Setting, named name: String?, _ reader: SettingsReader) -> String? {
    guard let text = reader.text(setting, source: name) else { return nil }
    if MediaPlaybackAccess.isAddress(text) { return text }
    reader.report(
      setting, source: name, "must be an https URL without user name and query; http is allowed for loopback only")
    return nil
  }
}
