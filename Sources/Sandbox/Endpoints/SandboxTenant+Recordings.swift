import Foundation
import HTTPTypes
import Hummingbird
import Model

extension SandboxTenant {
  /// `GET /api/v2/recordings` and `GET /api/v2/recording/{id}`.
  func addRecordingEndpoints(to router: Router<SandboxContext>) {
    router.get("/api/v2/recordings") { request, context in
      try await exchange(.search, request, context) { exchange in try search(exchange.request) }
    }
    router.get("/api/v2/recording/:id") { request, context in
      try await exchange(.metadata, request, context) { exchange in try metadata(exchange) }
    }
  }

  private func metadata(_ exchange: Exchange) throws(Refusal) -> Response {
    try authorize(exchange.request, scope: "recording:read")
    guard let recording = exchange.id.flatMap({ recording($0) }) else { throw .unknownRecording() }
    let now = system.now()
    history.recordRequest(for: recording.id, at: now)
    let status = exchange.has(.statusFlap) ? .processing : history.status(of: recording, at: now)
    return .json(RecordingAnswer(recording, status: status, base: base(exchange.request)))
  }

  private struct Page: Encodable {
    var recordings: [RecordingAnswer]
    var nextCursor: String?

    enum CodingKeys: CodingKey { case recordings, nextCursor }

    func encode(to encoder: any Encoder) throws {
      var container = encoder.container(keyedBy: CodingKeys.self)
      try container.encode(recordings, forKey: .recordings)
      // The last page has an explicit null.
      try container.encode(nextCursor, forKey: .nextCursor)
    }
  }

  private func search(_ request: Request) throws(Refusal) -> Response {
    try authorize(request, scope: "recording:read")
    let query = request.uri.queryParameters
    let start = try moment(query.get("startTime"), named: "startTime")
    let end = try moment(query.get("endTime"), named: "endTime")
    var direction: Direction?
    if let name = query.get("direction") {
      guard let known = Direction(rawValue: name) else {
        throw Refusal(.badRequest, "invalid_request", "'direction' must be outbound, inbound or internal.")
      }
      direction = known
    }
    var pageSize = min(100, configuration.pageSizeLimit)
    if let text = query.get("pageSize") {
      guard let size = Int(text), (1...configuration.pageSizeLimit).contains(size) else {
        throw Refusal(.badRequest, "invalid_request", "'pageSize' must be from 1 to \(configuration.pageSizeLimit).")
      }
      pageSize = size
    }
    var after: SearchCursor?
    if let text = query.get("cursor") {
      guard let cursor = SearchCursor(text) else {
        throw Refusal(.badRequest, "invalid_request", "The cursor was not issued by this tenant.")
      }
      after = cursor
    }

    let agentID = query.get("agentId")
    let matching = recordings.lazy.filter { recording in
      !recording.isHidden && start.map { recording.startTime >= $0 } ?? true
        && end.map { recording.startTime < $0 } ?? true && direction.map { recording.direction == $0 } ?? true
        && agentID.map { recording.agentID == $0 } ?? true && after.map { $0.precedes(recording) } ?? true
    }
    let found = Array(matching.prefix(pageSize + 1))
    guard !found.isEmpty else { return Response(status: .noContent) }
    let now = system.now()
    let base = base(request)
    let page = found.prefix(pageSize)
    return .json(
      Page(
        recordings: page.map { RecordingAnswer($0, status: history.status(of: $0, at: now), base: base) },
        nextCursor: found.count > pageSize ? page.last.map { SearchCursor(after: $0).text } : nil))
  }

  private func moment(_ text: String?, named name: String) throws(Refusal) -> Instant? {
    guard let text else { return nil }
    // Like the platform, accept a literal Z only.
    guard text.hasSuffix("Z"), let instant = Instant(iso8601: text) else {
      throw Refusal(.badRequest, "invalid_request", "'\(name)' must be an ISO 8601 time with a literal Z.")
    }
    return instant
  }

  private func base(_ request: Request) -> String { "http://\(request.head.authority ?? configuration.listenHost)" }
}

/// The position where the next page of a search begins. Opaque to clients.
private struct SearchCursor {
  private var milliseconds: Int64
  private var id: String

  init(after recording: SandboxRecording) {
    milliseconds = recording.startTime.milliseconds
    id = recording.id
  }

  init?(_ text: String) {
    guard let decoded = bytes(base64URL: text) else { return nil }
    let parts = String(decoding: decoded, as: UTF8.self).split(separator: "|", maxSplits: 1)
    guard parts.count == 2, let milliseconds = Int64(parts[0]) else { return nil }
    self.milliseconds = milliseconds
    id = String(parts[1])
  }

  var text: String { base64URL("\(milliseconds)|\(id)".utf8) }

  func precedes(_ recording: SandboxRecording) -> Bool {
    (milliseconds, id) < (recording.startTime.milliseconds, recording.id)
  }
}
