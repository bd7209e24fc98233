import Foundation
package import HTTPTransport
package import Logging
package import Model
import NIOCore
import NIOHTTP1

/// A tenant that speaks the contract `recordings-v2`.
///
/// One instance per configured source, shared by all callers: it holds the source's token, budget and download slots.
package struct RecordingsV2Source: RecordingSource {
  package var id: SourceID { client.settings.id }

  let client: PlatformClient
  let downloads: AsyncSemaphore

  /// `client` must have been created with `HTTPClient.Configuration.platform`.
  ///
  /// - Parameter allowance: where the request allowance is stored; nil for an allowance of this process.
  package init(
    settings: SourceSettings, client: any HTTPSender, allowance: (any AllowanceStore)? = nil, system: SystemServices,
    logger: Logger
  ) {
    var logger = logger
    logger[metadataKey: "source"] = "\(settings.id)"
    self.client = PlatformClient(
      settings: settings, client: client,
      allowance: allowance ?? LocalAllowance(limits: settings.limits, now: system.now),
      system: system, logger: logger)
    downloads = AsyncSemaphore(settings.parallelDownloads)
  }

  package var policy: SourcePolicy {
    // The contract allows no larger pages.
    SourcePolicy(
      waiting: .polls, rereadsPrivacy: true, duration: .exact, pageSize: 500, listsChanges: false, locationLasts: true)
  }

  package func list(_ query: RecordingQuery, bookmark: String?) async throws(TapedeckError) -> ListPage {
    try await search(query, cursor: bookmark, pageSize: policy.pageSize)
  }

  package func locate(_ id: RecordingID) async throws(TapedeckError) -> Located { Located(try await recording(id)) }

  /// `GET /api/v2/recording/{id}`.
  package func recording(_ id: RecordingID) async throws(TapedeckError) -> PlatformRecording {
    let answer = try await client.get(.recording, path: Self.path(id))
    // Of a description that is cut, even the privacy may be missing.
    let row = PlatformRow(PlatformJSON.utf8(answer.body).trimmedJSON).flatMap { $0.isCut ? nil : $0 }
    let fields = row?.fields ?? [:]
    let isDescribed = fields["id"] != nil || fields["status"] != nil
    if !isDescribed, answer.status == 202 || answer.status == 204 {
      throw answer.notYetAvailable(.recording, now: client.system.now())
    }
    if PlatformJSON.text(fields["status"]) == nil, Self.isError(fields["error"]) || Self.isError(fields["errors"]) {
      let code = answer.errorCode.map { ": '\($0)'" } ?? ""
      throw TapedeckError(
        .platformUnavailable,
        "The platform answered with an error instead of the recording\(code). The request will be retried.")
    }
    guard var row, isDescribed else {
      throw TapedeckError(.platformProtocol, detail: "the response does not describe recording \(id)")
    }
    guard [.absent, .valid(id)].contains(row.id) else { throw Self.otherRecording(row.id, than: id) }
    let recording = PlatformRecording(&row, id: id)
    if !row.unreadable.isEmpty {
      client.logger.warning(
        "a recording has fields that cannot be read",
        metadata: ["recording": "\(id)", "fields": "\(row.unreadable.joined(separator: ", "))"])
    }
    return recording
  }

  private static func otherRecording(_ answered: PlatformRow.ID, than id: RecordingID) -> TapedeckError {
    guard case .valid(let other) = answered else {
      return TapedeckError(
        .platformProtocol, "The platform's answer about the recording '\(id)' has an ID that cannot be used.")
    }
    let remedy =
      other.rawValue.lowercased() == id.rawValue.lowercased()
      ? " IDs are case-sensitive: request '\(other)' if that is the recording you mean." : ""
    return TapedeckError(
      .platformProtocol, "The platform was asked for the recording '\(id)' but answered with '\(other)'.\(remedy)")
  }

  /// `GET /api/v2/recordings`. A page that is too long is requested again with fewer rows.
  package func search(
    _ query: RecordingQuery, cursor: String?, pageSize: Int
  ) async throws(TapedeckError) -> ListPage {
    var size = pageSize
    while true {
      do throws(TapedeckError) {
        let answer = try await client.get(.search, path: Self.path(query, cursor: cursor, pageSize: size))
        let asked = PageRequest(query: query, cursor: cursor, pageSize: Self.pageSize(size))
        return try page(try list(in: answer), answer.headers, of: asked)
      } catch {
        guard error.cause is NIOTooManyBytesError, size > 1 else { throw error }
        size = max(1, size / 4)
      }
    }
  }

  /// The body of an answer that can be a list: a 200, or a 204 as an empty one.
  ///
  /// A list that is mistaken for an empty or complete one makes a day look complete, so any other status is an error.
  private func list(in answer: PlatformAnswer) throws(TapedeckError) -> ByteBuffer {
    switch answer.status {
    case 204: return ByteBuffer()
    case 200:
      guard PlatformJSON.utf8(answer.body).allSatisfy(\.isJSONSpace), !answer.hasProvenBody else { return answer.body }
      throw TapedeckError(
        .platformProtocol, "The platform answered a search with an empty body instead of a list.",
        detail: "search: status 200, not JSON or without a length")
    case 202:
      throw TapedeckError(
        .platformUnavailable,
        "The platform does not have the result of a search yet (status 202). It is requested again.",
        detail: "search: status 202", retryAfter: answer.retryAfter(now: client.system.now()))
    default:
      throw TapedeckError(
        .platformProtocol, "The platform answered a search with status \(answer.status) instead of a list.",
        detail: "search: status \(answer.status)")
    }
  }

  /// Twice the largest page that is requested.
  private static let maxRows = 1000

  private func page(
    _ body: ByteBuffer, _ headers: HTTPHeaders, of asked: PageRequest
  ) throws(TapedeckError) -> ListPage {
    let page = try PlatformPage(
      body, headers, of: asked, ignored: client.settings.ignoredMembers, maxRows: Self.maxRows)
    if let next = page.nextCursor, next == asked.cursor {
      // Following it would not end.
      throw TapedeckError(.platformProtocol, detail: "the search response names itself as the next page")
    }
    var result = ListPage(recordings: [], nextCursor: page.nextCursor)
    var unreadable: [String] = []
    for (index, text) in page.rows.enumerated() {
      func setAside(_ reason: String, _ row: PlatformRow? = nil) {
        result.unidentified.append(
          UnidentifiedRow(
            position: index + 1, reason: reason,
            startTime: row?.fields["startTime"].flatMap { Instant(platformValue: $0) },
            fingerprint: UnidentifiedRow.fingerprint(of: text)))
      }
      guard var row = PlatformRow(text) else {
        setAside("The row is not an object.")
        continue
      }
      // What follows and is neither an object nor a value may be a part of this row.
      if let next = page.rows.dropFirst(index + 1).first, next.first != UInt8(ascii: "{"),
        PlatformJSON.value(next) == nil
      {
        row.restrict(because: "the text after the row")
      }
      switch row.id {
      case .absent: setAside("The row has no ID.", row)
      case .unusable(let reason): setAside(reason, row)
      case .valid(let id):
        result.recordings.append(PlatformRecording(&row, id: id))
        guard !row.unreadable.isEmpty else { continue }
        unreadable.append("row \(index + 1): \(row.unreadable.joined(separator: ", "))")
      }
    }
    result.notes = page.notes
    if !unreadable.isEmpty {
      client.logger.warning(
        "search results have fields that cannot be read",
        metadata: ["rows": "\(unreadable.count)", "fields": "\(unreadable.prefix(5).joined(separator: "; "))"])
    }
    if let first = result.unidentified.first {
      client.logger.warning(
        "search results cannot be identified",
        metadata: ["rows": "\(result.unidentified.count)", "first": "row \(first.position): \(first.reason)"])
    }
    return result
  }

  /// `GET /api/v2/recording/{id}/download`. A recording has one part.
  package func download(
    _ part: PartLocator, state: DownloadState, into sink: some DownloadSink,
    onState: @escaping @Sendable (DownloadState) async throws(TapedeckError) -> Void
  ) async throws(TapedeckError) -> DownloadState {
    let path = Self.downloadPath(part.recording)
    let client = client
    let origin = DownloadOrigin(name: path, settings: client.settings, system: client.system, logger: client.logger) {
      request, watch async throws(TapedeckError) in
      try await client.openDownload(path: path, request: request, watch: watch)
    } onTimeout: {
      await client.budget.report(.failed)
    }
    let run = DownloadRun(origin: origin, sink: sink, onState: onState)
    return try await downloads.withPermit { () async throws(TapedeckError) in try await run.run(from: state) }
  }

  package func admitRetry() async throws(TapedeckError) { try await client.budget.admitRetry() }

  package func rateLimitStatus() async throws(TapedeckError) -> RateLimitStatus? { try await client.budget.status() }

  /// Whether the field `error` of a response says that there was one.
  private static func isError(_ value: Any?) -> Bool {
    switch value {
    case nil, is NSNull: false
    case let text as String: !text.isEmpty
    case let object as PlatformJSON.Object: !object.isEmpty
    case let list as [Any]: !list.isEmpty
    case let number as NSNumber: number.boolValue
    default: true
    }
  }

  private static func path(_ id: RecordingID) -> String { "/api/v2/recording/\(id.pathSegment)" }

  static func downloadPath(_ id: RecordingID) -> String { path(id) + "/download" }

  /// The page size that is requested, of those that the platform allows.
  private static func pageSize(_ wanted: Int) -> Int { min(max(wanted, 1), 500) }

  private static func path(_ query: RecordingQuery, cursor: String?, pageSize: Int) -> String {
    var items = [("startTime", query.start.iso8601), ("endTime", query.end.iso8601)]
    if let direction = query.direction { items.append(("direction", direction.rawValue)) }
    if let agentID = query.agentID { items.append(("agentId", agentID)) }
    items.append(("pageSize", "\(Self.pageSize(pageSize))"))
    if let cursor { items.append(("cursor", cursor)) }
    return "/api/v2/recordings?" + items.map { "\($0)=\(percentEncoded($1))" }.joined(separator: "&")
  }
}
