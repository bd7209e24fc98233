import Access
import CXone
import Foundation
import HTTPTypes
import Hummingbird
import Model
import NIOCore
import Web

/// What the command line may ask of the running process beyond the web's addresses: to search the platform, through
/// the same request budget as everything else.
struct OperatorRoutes {
  let web: WebServices
  let sources: [any RecordingSource]

  func add(to group: RouterGroup<WebContext>) {
    group.get("operator/search") { request, context in try await search(request, context) }
  }

  private func search(_ request: Request, _ context: WebContext) async throws -> Response {
    let values = request.uri.queryParameters
    guard let start = values["from"].flatMap({ Instant(iso8601: String($0)) }),
      let end = values["to"].flatMap({ Instant(iso8601: String($0)) })
    else { throw TapedeckError(.invalidRequest, "A search needs two moments, 'from' and 'to'.") }
    let name = values["source"].map(String.init) ?? "default"
    guard let source = sources.first(where: { $0.id.rawValue == name }) else {
      throw TapedeckError(.notFound, "No source of the name '\(name)' is configured.")
    }
    let query = RecordingQuery(
      start: start, end: end, direction: values["direction"].flatMap { Direction(rawValue: String($0)) },
      agentID: values["agent"].map(String.init))
    let page = try await source.search(query, cursor: values["cursor"].map(String.init), pageSize: 500)
    try await web.log.record(
      .search, by: try context.requireIdentity(), count: Int64(page.recordings.count),
      from: context.origin(of: request),
      details: ["from": start.iso8601, "to": end.iso8601, "source": name])
    let answer = FoundOnPlatform(
      recordings: page.recordings.map(FoundOnPlatform.Item.init), nextCursor: page.nextCursor)
    return Response(
      status: .ok, headers: [.contentType: "application/json"],
      body: .init(byteBuffer: ByteBuffer(bytes: try JSONEncoder().encode(answer))))
  }
}

/// A page of a search on the platform, as it travels from the running process to a command.
struct FoundOnPlatform: Codable, Sendable {
  struct Item: Codable, Sendable {
    var id: String
    var status: String
    var privacy: String
    var startTime: String?
    var durationSeconds: Int?
    var direction: String?
    var agentId: String?
    var agentName: String?
    var skillName: String?

    init(_ recording: PlatformRecording) {
      id = recording.id.rawValue
      status = recording.status.rawValue
      privacy = recording.privacy.rawValue
      startTime = recording.startTime?.iso8601
      durationSeconds = recording.durationSeconds
      direction = recording.direction?.rawValue
      agentId = recording.agentID
      agentName = recording.agentName
      skillName = recording.skillName
    }
  }

  var recordings: [Item]
  var nextCursor: String?
}
