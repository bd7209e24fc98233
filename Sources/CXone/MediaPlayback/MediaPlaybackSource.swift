package import HTTPTransport
package import Logging
package import Model
import NIOCore

/// A tenant that speaks the contract `media-playback`, which NICE documents.
///
/// One instance per configured source, shared by all callers: it holds the source's token, budget, download slots and
/// the addresses of located media.
package struct MediaPlaybackSource: RecordingSource {
  package var id: SourceID { client.settings.id }

  let client: MediaPlaybackClient
  let downloads: AsyncSemaphore
  let addresses = MediaAddresses()

  /// `client` must have been created with `HTTPClient.Configuration.platform`.
  ///
  /// - Parameter allowance: where the request allowance is stored; nil for an allowance of this process.
  package init(
    settings: SourceSettings, access: MediaPlaybackAccess, client: any HTTPSender,
    allowance: (any AllowanceStore)? = nil, system: SystemServices, logger: Logger
  ) {
    var logger = logger
    logger[metadataKey: "source"] = "\(settings.id)"
    self.client = MediaPlaybackClient(
      settings: settings, access: access, client: client,
      allowance: allowance ?? LocalAllowance(limits: settings.limits, now: system.now), system: system, logger: logger)
    downloads = AsyncSemaphore(settings.parallelDownloads)
  }

  package var policy: SourcePolicy {
    // The platform allows 10,000 rows. The duration of a contact includes the menu and the queue.
    SourcePolicy(
      waiting: .untilDeadline(client.access.waiting), rereadsPrivacy: false, duration: .upperBound, pageSize: 1000,
      listsChanges: true)
  }

  /// `GET {area}/media-playback/v1/contacts`: one request that returns the addresses and the metadata of all media.
  ///
  /// Media that is not ready, was not recorded or has expired looks the same: 404, 204, an empty list or no address.
  /// The file call of the ACD is then asked, which may have an older recording.
  package func locate(_ id: RecordingID) async throws(TapedeckError) -> Located {
    let answer = try await media(of: id)
    if answer.hasMedia { return answer.located(id) }
    var located = answer.located(id)
    if let name = try await legacyFileName(of: id) {
      addresses.keep([0: .file(name)], of: id)
      located.facts.status = .available
      located.availability = .available
      located.parts = [LocatedPart(PartLocator(id))]
      located.missingParts = 0
      located.skipped = answer.skipped
    }
    return located
  }

  /// Asks for the media of a call, and keeps its addresses.
  func media(of id: RecordingID) async throws(TapedeckError) -> MediaAnswer {
    let answer = try await requestMedia(of: id, isDownload: false)
    guard answer.status == 200 else { return .empty }
    let media = try MediaAnswer(answer.body)
    if media.hasMedia { addresses.keep(media.addresses, of: id) }
    return media
  }

  /// Asks for an address without metadata, which needs fewer permissions.
  func requestAddressAlone(of id: RecordingID) async throws(TapedeckError) {
    _ = try await requestMedia(of: id, isDownload: true)
  }

  private func requestMedia(of id: RecordingID, isDownload: Bool) async throws(TapedeckError) -> PlatformAnswer {
    let host = try await client.hosts().area
    let query = [
      ("acd-call-id", id.rawValue), ("media-type", "voice-only"), ("exclude-waveforms", "true"),
      ("exclude-qm-categories", "true"), ("isDownload", "\(isDownload)"),
    ]
    let items = query.map { "\($0)=\(percentEncoded($1))" }.joined(separator: "&")
    return try await client.get(
      .media, url: "\(host)/media-playback/v1/contacts?\(items)", accepting: [404])
  }

  package func admitRetry() async throws(TapedeckError) { try await client.budget.admitRetry() }

  package func rateLimitStatus() async throws(TapedeckError) -> RateLimitStatus? { try await client.budget.status() }
}
