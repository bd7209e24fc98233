package import AsyncHTTPClient
import Foundation
package import Logging
package import Model
import NIOCore

/// A tenant that speaks the contract `recordings-v2`.
///
/// One instance per configured source, shared by all callers: it holds the source's token, budget and download slots.
package struct RecordingsV2Source: RecordingSource {
  package var id: SourceID { client.settings.id }

  let client: PlatformClient
  let downloads: Turnstile

  /// `client` must have been created with `HTTPClient.Configuration.platform`.
  ///
  /// - Parameter allowance: where the request allowance is stored; nil for an allowance of this process.
  package init(
    settings: SourceSettings, client: HTTPClient, allowance: (any AllowanceStore)? = nil, system: SystemServices,
    logger: Logger
  ) {
    var logger = logger
    logger[metadataKey: "source"] = "\(settings.id)"
    self.client = PlatformClient(
      settings: settings, client: client,
      allowance: allowance ?? LocalAllowance(limits: settings.limits, now: system.now),
      system: system, logger: logger)
    downloads = Turnstile(places: settings.parallelDownloads)
  }

  /// `GET /api/v2/recording/{id}`.
  package func recording(_ id: RecordingID) async throws(TapedeckError) -> PlatformRecording {
    let answer = try await client.get(.recording, path: Self.path(id))
    guard let object = PlatformJSON.object(answer.body),
      let recording = PlatformRecording(platformObject: object, id: id), recording.id == id
    else {
      throw TapedeckError(.platformProtocol, detail: "the response does not describe recording \(id)")
    }
    return recording
  }

  /// `GET /api/v2/recordings`. Rows without a valid id are skipped and logged.
  package func search(
    _ query: RecordingQuery, cursor: String?, pageSize: Int
  ) async throws(TapedeckError) -> SearchPage {
    let answer = try await client.get(.search, path: Self.path(query, cursor: cursor, pageSize: pageSize))
    if answer.status == 204 { return SearchPage(recordings: [], nextCursor: nil) }
    guard let object = PlatformJSON.object(answer.body), let rows = object["recordings"] as? [Any] else {
      throw TapedeckError(.platformProtocol, detail: "the search response is not a page of recordings")
    }
    let nextCursor = try Self.nextCursor(object["nextCursor"])
    if let nextCursor, nextCursor == cursor {
      // Following it would not end.
      throw TapedeckError(.platformProtocol, detail: "the search response names itself as the next page")
    }
    let recordings = rows.compactMap {
      ($0 as? PlatformJSON.Object).flatMap { PlatformRecording(platformObject: $0) }
    }
    if recordings.count < rows.count {
      client.logger.warning(
        "skipped search results without a valid recording id",
        metadata: ["rows": "\(rows.count - recordings.count)"])
    }
    return SearchPage(recordings: recordings, nextCursor: nextCursor)
  }

  package func download(
    _ id: RecordingID, state: DownloadState, into sink: some DownloadSink,
    onState: @escaping @Sendable (DownloadState) async throws(TapedeckError) -> Void
  ) async throws(TapedeckError) -> DownloadState {
    let run = DownloadRun(client: client, path: Self.downloadPath(id), sink: sink, onState: onState)
    return try await downloads.withPlace { () async throws(TapedeckError) in try await run.run(from: state) }
  }

  package func admitRetry() async throws(TapedeckError) { try await client.budget.admitRetry() }

  package func rateLimitStatus() async throws(TapedeckError) -> RateLimitStatus? { try await client.budget.status() }

  /// Only an absent, null or empty field ends a listing, because a missed page would leave the archive incomplete.
  private static func nextCursor(_ value: Any?) throws(TapedeckError) -> String? {
    guard let value, !(value is NSNull), value as? String != "" else { return nil }
    guard let cursor = PlatformJSON.text(value) else {
      throw TapedeckError(.platformProtocol, detail: "the search response has an unreadable cursor")
    }
    return cursor
  }

  private static func path(_ id: RecordingID) -> String { "/api/v2/recording/\(id.pathSegment)" }

  static func downloadPath(_ id: RecordingID) -> String { path(id) + "/download" }

  private static func path(_ query: RecordingQuery, cursor: String?, pageSize: Int) -> String {
    var items = [("startTime", query.start.iso8601), ("endTime", query.end.iso8601)]
    if let direction = query.direction { items.append(("direction", direction.rawValue)) }
    if let agentID = query.agentID { items.append(("agentId", agentID)) }
    items.append(("pageSize", "\(min(max(pageSize, 1), 500))"))
    if let cursor { items.append(("cursor", cursor)) }
    return "/api/v2/recordings?" + items.map { "\($0)=\(percentEncoded($1))" }.joined(separator: "&")
  }
}
