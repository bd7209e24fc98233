import Catalog
import Foundation
import HTTPTypes
import Hummingbird
import Model

/// Pages of notices, for the API and for the page.
struct NoticeListing {
  let catalog: Catalog

  struct Page {
    /// The newest first.
    var rows: [NoticeRow]
    /// The cursor of the next page; nil on the last one.
    var next: Int64?
  }

  static let closed = QueryParameter("closed", .flag, "Include notices that were closed.")

  /// The page that a query asks for, of what the caller may see.
  func load(_ admitted: Admitted<Void>, limit: Int) async throws(TapedeckError) -> Page {
    let query = admitted.query
    var rows = try await catalog.notices(
      visibleTo: admitted.identity.visibility, closed: query.has("closed"), before: query.integer("cursor"),
      limit: limit + 1)
    let hasMore = rows.count > limit
    if hasMore { rows.removeLast() }
    return Page(rows: rows, next: hasMore ? rows.last?.id : nil)
  }

  /// The notice that the path names.
  func row(_ admitted: Admitted<Void>) async throws(TapedeckError) -> NoticeRow {
    guard let id = Int64(admitted.incoming.path("notice")) else { throw TapedeckError.unknownNotice }
    return try await catalog.notice(id, visibleTo: admitted.identity.visibility)
  }

  /// Closes a notice, with what was decided.
  ///
  /// - Throws: `invalidRequest` for a decision that is empty or too long; what `Catalog.closeNotice` throws.
  func close(_ notice: NoticeRow, decision: String, _ admitted: Admitted<Void>) async throws(TapedeckError) {
    let text = decision.trimmingCharacters(in: .whitespacesAndNewlines)
    guard !text.isEmpty else {
      throw TapedeckError(.invalidRequest, "The decision is empty. Say what was decided, and why.")
    }
    guard text.utf8.count <= 1000 else {
      throw TapedeckError(.invalidRequest, "The decision is too long. Use at most 1,000 bytes.")
    }
    let entry = admitted.entry(recording: notice.key, details: ["notice": "\(notice.id)", "reason": text])
    try await catalog.closeNotice(notice.id, decision: text, by: admitted.identity.id, entry: entry)
  }
}

/// `/api/v1/notices`: recordings of calls whose addresses the platform has erased, and the decisions about them.
struct NoticeController {
  let listing: NoticeListing

  var routes: [Route] {
    [
      .admitted(
        .get, "/api/v1/notices", .api, permission: .manageNotices, log: .entry(.list, details: ["of": "notices"]),
        "A page of notices that the platform has erased the addresses of a call, the newest first, and `nextCursor`; with `closed` also those that were closed.",
        query: [NoticeListing.closed, .cursor, .limit(1000, default: 100)],
        responses: [.json(ListAnswer.schema, "A page of notices.")], handler: list),
      .admitted(
        .post, "/api/v1/notices/{notice}/close", .api, permission: .manageNotices, log: .change(.closeNotice),
        "Closes a notice with what was decided. The recording stays as it is. 409 when the notice was already closed.",
        body: .json(Decision.schema), responses: [.json(NoticeAnswer.schema, "The notice.")], errors: [404, 409]
      ) { admitted in
        let row = try await listing.row(admitted)
        let decision = try await admitted.incoming.decode(Decision.self).decision
        try await listing.close(row, decision: decision, admitted)
        return Reply(.json(NoticeAnswer(try await listing.row(admitted))))
      },
    ]
  }

  private func list(_ admitted: Admitted<Void>) async throws -> Reply {
    let page = try await listing.load(admitted, limit: admitted.query.integer("limit").map { Int($0) } ?? 100)
    return Reply(
      .json(ListAnswer(notices: page.rows.map(NoticeAnswer.init), nextCursor: page.next.map { String($0) })),
      .shown(count: Int64(page.rows.count), details: admitted.query.values))
  }

  private struct Decision: Decodable {
    static let schema = Schema.input("NoticeDecision", ["decision": .string])
    var decision: String
  }

  private struct ListAnswer: Encodable {
    static let schema = Schema.object("NoticePage", ["notices": .list(NoticeAnswer.schema), "nextCursor?": .string])
    let notices: [NoticeAnswer]
    let nextCursor: String?
  }

  private struct NoticeAnswer: Encodable {
    static let schema = Schema.object(
      "Notice",
      [
        "id": .integer, "source": .source, "recordingId": .string, "openedAt": .moment, "closedAt?": .moment,
        "closedBy?": .string, "decision?": .string,
      ])
    let id: Int64
    let source: String
    let recordingId: String
    let openedAt: String
    let closedAt: String?
    let closedBy: String?
    let decision: String?

    init(_ row: NoticeRow) {
      id = row.id
      source = row.key.source.rawValue
      recordingId = row.key.id.rawValue
      openedAt = row.openedAt.iso8601Milliseconds
      closedAt = row.closedAt?.iso8601Milliseconds
      closedBy = row.closedBy
      decision = row.decision
    }
  }
}
