import CXone
import Catalog
import Foundation
import HTTPTypes
import Hummingbird
import Model
import NIOCore
import Web

/// Routes of the command socket that search the platform, through the same request budget as everything else.
struct OperatorRoutes {
  let catalog: Catalog
  let sources: [any RecordingSource]

  var routes: [Route] {
    [
      .admitted(
        .get, "/operator/search", .command, permission: .administer, log: .entry(.search), "Searches the platform.",
        query: [
          QueryParameter("from", .moment, required: true, "The start of the period."),
          QueryParameter("to", .moment, required: true, "The end of the period."),
          QueryParameter("source", .source, "The name of a source."),
          QueryParameter("direction", .text, "The direction of the call."),
          QueryParameter("agent", .text, "The platform's id of an agent."),
          QueryParameter("cursor", .text, "The platform's cursor of the next page."),
        ], handler: search)
    ]
  }

  private func search(_ admitted: Admitted<Void>) async throws -> Reply {
    let query = admitted.query
    guard let start = query.moment("from"), let end = query.moment("to") else { throw TapedeckError(.invalidRequest) }
    let name = query["source"] ?? "default"
    guard let source = sources.first(where: { $0.id.rawValue == name }) else {
      throw TapedeckError.unknownSource(name)
    }
    let page = try await source.list(
      RecordingQuery(start: start, end: end, direction: query.choice("direction"), agentID: query["agent"]),
      bookmark: query["cursor"])
    try await catalog.rememberRestricted(page.recordings, of: source.id)
    // One row for each call, and none for calls that have nothing to archive.
    var shown: Set<RecordingID> = []
    let calls = page.recordings.filter { call in
      call.wasRecorded != false && (call.leg == nil || shown.insert(call.id).inserted)
    }
    return try .json(
      FoundOnPlatform(
        recordings: calls.map(FoundOnPlatform.Item.init),
        unidentified: page.unidentified.map { FoundOnPlatform.Row(position: $0.position, reason: $0.reason) },
        nextCursor: page.nextCursor, notes: page.notes),
      .shown(
        count: Int64(calls.count),
        details: ["from": start.iso8601, "to": end.iso8601, "source": name]))
  }
}

extension Reply {
  /// A JSON response to a command.
  static func json(_ value: some Encodable, _ event: Event = .none) throws -> Reply {
    Reply(
      Response(
        status: .ok, headers: [.contentType: "application/json"],
        body: .init(byteBuffer: ByteBuffer(bytes: try Terminal.json(value)))), event)
  }
}

/// A page of a search on the platform, as it travels from the running process to a command.
struct FoundOnPlatform: Codable, Sendable {
  /// A row without a usable ID, by its position in the page.
  struct Row: Codable, Sendable {
    var position: Int
    var reason: String
  }

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
  var unidentified: [Row]?
  var nextCursor: String?
  var notes: ListNotes?
}
