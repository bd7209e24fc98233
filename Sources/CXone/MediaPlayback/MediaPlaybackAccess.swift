package import Model

/// The API that a source speaks.
package enum SourceContract: Sendable {
  case recordingsV2
  case mediaPlayback(MediaPlaybackAccess)

  /// The names in `CXONE_CONTRACT`.
  package enum Name: String, Sendable, CaseIterable {
    case recordingsV2 = "recordings-v2"
    case mediaPlayback = "media-playback"
  }
}

/// What a source of the contract `media-playback` needs besides the settings of every source.
///
/// - `accessKeyID` (`CXONE_ACCESS_KEY_ID`), `accessKeySecret` (`CXONE_ACCESS_KEY_SECRET`, secret): required
/// - `issuerURL` (`CXONE_ISSUER_URL`): where to sign in and to discover the other hosts; default NICE's
/// - `tenantID` (`CXONE_TENANT_ID`): default that of the token
/// - `acdURL` (`CXONE_ACD_URL`), `areaURL` (`CXONE_AREA_URL`): default from discovery
/// - `mediaHosts` (`CXONE_MEDIA_HOSTS`): hosts of media in addition to `knownMediaHosts`
/// - `rate` (`CXONE_MEDIA_RATE`): media requests in a time, default `150/300s`
/// - `waiting` (`CXONE_MEDIA_FIRST_ASK_SECONDS`, `CXONE_MEDIA_DEADLINE_HOURS`): default 600 s and 48 h
package struct MediaPlaybackAccess: Sendable {
  /// The sign-in of the commercial platform. That of FedRAMP is `https://cxone-gov.niceincontact.com`.
  package static let standardIssuer = "https://cxone.niceincontact.com"
  /// The hosts that NICE uses for media.
  package static let knownMediaHosts = ["*.amazonaws.com", "*.nice-incontact.com", "*.niceincontact.com"]

  let accessKeyID: String
  let accessKeySecret: String
  package let issuerURL: String
  package let tenantID: String?
  package let acdURL: String?
  package let areaURL: String?
  package let mediaHosts: [String]
  package let rate: MediaRate
  package let waiting: DeadlineSchedule

  /// - Throws: `configurationInvalid`, which names the setting but not its value.
  package init(
    accessKeyID: String, accessKeySecret: String, issuerURL: String = MediaPlaybackAccess.standardIssuer,
    tenantID: String? = nil,
    acdURL: String? = nil, areaURL: String? = nil, mediaHosts: [String] = [], rate: MediaRate = .standard,
    waiting: DeadlineSchedule = DeadlineSchedule()
  ) throws(TapedeckError) {
    func address(_ text: String?, _ setting: String) throws(TapedeckError) -> String? {
      guard let text else { return nil }
      guard let address = PlatformAddress(base: text) else {
        throw TapedeckError(
          .configurationInvalid, "\(setting) must be an https URL without a query; http is allowed for loopback only.")
      }
      return address.text
    }
    guard !accessKeyID.isEmpty, !accessKeySecret.isEmpty else {
      throw TapedeckError(
        .configurationInvalid, "CXONE_ACCESS_KEY_ID and CXONE_ACCESS_KEY_SECRET are required by this contract.")
    }
    self.accessKeyID = accessKeyID
    self.accessKeySecret = accessKeySecret
    self.issuerURL = try address(issuerURL, "CXONE_ISSUER_URL") ?? issuerURL
    self.tenantID = tenantID
    self.acdURL = try address(acdURL, "CXONE_ACD_URL")
    self.areaURL = try address(areaURL, "CXONE_AREA_URL")
    self.mediaHosts = mediaHosts
    self.rate = rate
    self.waiting = waiting
  }
}

extension MediaPlaybackAccess {
  /// Whether a text is a URL that requests may be sent to.
  package static func isAddress(_ text: String) -> Bool { PlatformAddress(base: text) != nil }
}

extension MediaPlaybackAccess: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
  package var description: String { "MediaPlaybackAccess(\(issuerURL), access key redacted)" }
  package var debugDescription: String { description }
  package var customMirror: Mirror { Mirror(self, children: ["issuerURL": issuerURL]) }
}

/// A number of requests in a time, such as `150/300s`.
package struct MediaRate: Sendable, Equatable {
  package var requests: Int
  package var seconds: Int

  /// NICE's published limit.
  package static let standard = MediaRate(requests: 150, seconds: 300)

  package init(requests: Int, seconds: Int) {
    self.requests = max(1, requests)
    self.seconds = max(1, seconds)
  }

  /// Reads `150/300s`; nil for anything else.
  package init?(_ text: String) {
    guard let match = text.wholeMatch(of: /([0-9]{1,6})\/([0-9]{1,6})s/), let requests = Int(match.1),
      let seconds = Int(match.2), requests > 0, seconds > 0
    else { return nil }
    self.init(requests: requests, seconds: seconds)
  }

  /// The steady rate with which any such time has at most this many requests, one saved request included.
  var perSecond: Double { Double(max(requests - 1, 1)) / Double(seconds) }
}
