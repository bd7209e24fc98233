import Foundation
package import Model

/// How to reach one tenant, and its request limits.
///
/// - `baseURL` (`CXONE_BASE_URL`): an https address, or http on loopback; required
/// - `clientID` (`CXONE_CLIENT_ID`), `clientSecret` (`CXONE_CLIENT_SECRET`, secret): required
/// - `rate` (`CXONE_RATE`): requests per second, 0 or more, default 10; 0 means no limit
/// - `burst` (`CXONE_BURST`): requests that can be sent at once after a quiet period, 1 or more, default 20
/// - `classRates` (`CXONE_SEARCH_RATE`, `CXONE_METADATA_RATE`, `CXONE_DOWNLOAD_RATE`): requests per second of single
///   calls, within the limit of the source; default none
/// - `parallelDownloads`: 1 or more, default 4
/// - `callTimeout`: for a complete token, search or metadata call, default 10 s
/// - `stallTimeout`: for a download without data, default 300 s
/// - `maxRecordingBytes`: the maximum number of bytes of a recording, default 8 GiB
/// - `allowedDownloadHosts`: hosts that a download may be redirected to in addition to the base URL's; `*.example.com`
///   means every host below `example.com`; default none
/// - `ignoredMembers` (`CXONE_IGNORED_MEMBERS`): members next to a list that do not affect whether it is complete,
///   such as `meta.took`; default none
/// - `basicEncoding` (`CXONE_BASIC_ENCODING`): how the token call sends the credentials, default `automatic`
/// - `contract` (`CXONE_CONTRACT`): default `recordings-v2`. With `media-playback`, `baseURL` is `CXONE_ISSUER_URL`,
///   client ID and secret may both be missing, and `allowedDownloadHosts` also has the media hosts
package struct SourceSettings: Sendable {
  package let id: SourceID
  package let contract: SourceContract
  /// Without a trailing slash.
  package let baseURL: String
  /// The base URL's host in lower case.
  let host: String
  /// The base URL's scheme, host and port.
  let origin: String
  let clientID: String
  let clientSecret: String
  package let limits: RequestLimits
  package let parallelDownloads: Int
  package let callTimeout: Duration
  package let stallTimeout: Duration
  package let maxRecordingBytes: Int64
  package let allowedDownloadHosts: [String]
  package let ignoredMembers: [String]
  package let basicEncoding: BasicEncoding
  package let userAgent: String

  /// Validates every value.
  ///
  /// - Throws: `configurationInvalid`, which names the setting but not its value.
  package init(
    id: SourceID = .default, baseURL: String, clientID: String, clientSecret: String, rate: Double = 10,
    burst: Int = 20, classRates: [RequestClass: Double] = [:], parallelDownloads: Int = 4,
    callTimeout: Duration = .seconds(10), stallTimeout: Duration = .seconds(300), maxRecordingBytes: Int64 = 8 << 30,
    allowedDownloadHosts: [String] = [], ignoredMembers: [String] = [], basicEncoding: BasicEncoding = .automatic,
    userAgent: String = "Tapedeck", contract: SourceContract = .recordingsV2
  ) throws(TapedeckError) {
    func require(_ holds: Bool, _ setting: String, _ rule: String) throws(TapedeckError) {
      let place = id == .default ? "" : " (source '\(id)')"
      if !holds { throw TapedeckError(.configurationInvalid, "\(setting)\(place) \(rule)") }
    }
    let address = PlatformAddress(base: baseURL)
    var access: MediaPlaybackAccess?
    if case .mediaPlayback(let own) = contract { access = own }
    try require(
      address != nil, access == nil ? "CXONE_BASE_URL" : "CXONE_ISSUER_URL",
      "must be an https URL without a query, such as https://api.example.com; http is allowed for loopback only, and a port must be from 1 to "
        + "65535.")
    let needsClient = access == nil || !clientID.isEmpty || !clientSecret.isEmpty
    try require(!clientID.isEmpty || !needsClient, "CXONE_CLIENT_ID", "is missing.")
    try require(!clientSecret.isEmpty || !needsClient, "CXONE_CLIENT_SECRET", "is missing.")
    if let access {
      try require(
        needsClient || access.areaURL != nil || access.tenantID != nil, "CXONE_AREA_URL",
        "or CXONE_TENANT_ID must be set when there is no client ID: it says where to sign in.")
    }
    try require(rate.isFinite && rate >= 0, "CXONE_RATE", "must be 0 (no limit) or more requests per second.")
    try require(
      classRates.values.allSatisfy { $0.isFinite && $0 > 0 }, "The rate of a single call",
      "must be more than 0 requests per second.")
    try require(burst >= 1, "CXONE_BURST", "must be 1 or more requests.")
    try require(parallelDownloads >= 1, "The number of parallel downloads", "must be 1 or more.")
    try require(callTimeout > .zero && stallTimeout > .zero, "A timeout", "must be longer than 0 s.")
    self.id = id
    self.contract = contract
    self.baseURL = address?.text ?? ""
    self.host = address?.host ?? ""
    self.origin = address?.origin ?? ""
    self.basicEncoding = basicEncoding
    self.clientID = clientID
    self.clientSecret = clientSecret
    self.limits = RequestLimits(rate: rate, burst: burst, classRates: classRates)
    self.parallelDownloads = parallelDownloads
    self.callTimeout = callTimeout
    self.stallTimeout = stallTimeout
    self.maxRecordingBytes = maxRecordingBytes
    let mediaHosts = access.map { MediaPlaybackAccess.knownMediaHosts + $0.mediaHosts } ?? []
    self.allowedDownloadHosts = (mediaHosts + allowedDownloadHosts).map { $0.lowercased() }
    self.ignoredMembers = ignoredMembers
    self.userAgent = userAgent
  }
}

extension SourceSettings {
  /// The limits of a bucket of requests. Media requests have no burst, so that no span of time has more of them than
  /// `CXONE_MEDIA_RATE` permits.
  package func limits(of bucket: RequestBucket) -> RequestLimits {
    guard bucket == .media, case .mediaPlayback(let access) = contract else { return limits }
    return RequestLimits(rate: access.rate.perSecond, burst: 1, classRates: limits.classRates)
  }

  /// Whether a text is a host, or `*.` and a host of two or more parts.
  package static func isDownloadHost(_ text: String) -> Bool { PlatformAddress.isPattern(text) }

  /// Whether a member or header can be ignored: not the list itself, and not what says whether it continues.
  package static func canIgnore(_ member: String) -> Bool {
    !PageMember.isRequired(String(member.split(separator: ".").last ?? ""))
  }
}

extension SourceSettings: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
  package var description: String { "SourceSettings(\(id), \(baseURL), client id and secret redacted)" }
  package var debugDescription: String { description }
  package var customMirror: Mirror { Mirror(self, children: ["id": id, "baseURL": baseURL]) }
}
