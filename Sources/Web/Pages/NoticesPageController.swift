import Catalog
import Foundation
import HTTPTypes
import Hummingbird
import Model

/// `/notices`: calls whose addresses the platform has erased, and the form to close each notice.
struct NoticesPageController {
  let listing: NoticeListing
  let pages: PageRenderer

  private static let pageSize = 100

  var routes: [Route] {
    [
      .admitted(
        .get, "/notices", .page, permission: .manageNotices, log: .entry(.list, details: ["of": "notices"]),
        "The notices.", query: [NoticeListing.closed, .cursor]
      ) { admitted in
        let page = try await listing.load(admitted, limit: Self.pageSize)
        return Reply(
          try show(page, admitted), .shown(count: Int64(page.rows.count), details: admitted.query.values))
      },
      .admitted(
        .post, "/notices/{notice}/close", .page, permission: .manageNotices, log: .change(.closeNotice),
        "Closes a notice.", body: .form
      ) { admitted in
        let form = try await admitted.form()
        let row = try await listing.row(admitted)
        do throws(TapedeckError) {
          try await listing.close(row, decision: form["decision"], admitted)
          return Reply(.seeOther("/notices"))
        } catch {
          guard [.invalidRequest, .alreadyExists].contains(error.code) else { throw error }
          return Reply(try show(NoticeListing.Page(rows: [row]), admitted, failure: error))
        }
      },
    ]
  }

  private func show(
    _ page: NoticeListing.Page, _ admitted: Admitted<Void>, failure: TapedeckError? = nil
  ) throws -> Response {
    let query = admitted.query
    let links = QueryLinks(path: "/notices", values: query.values)
    let includesClosed = query.has("closed")
    let text = try pages.page(
      "notices", title: "Notices", context: admitted.context, on: .notices,
      [
        "failure": failure?.message,
        "countText": page.rows.isEmpty ? nil : "\(counted(page.rows.count, "notice")) on this page, newest first",
        "hasRows": !page.rows.isEmpty, "rows": page.rows.map { row($0, admitted.times) },
        "closedURL": includesClosed ? nil : "/notices?closed=1", "openURL": includesClosed ? "/notices" : nil,
        "hasPager": page.next != nil || query["cursor"] != nil,
        "newestURL": query["cursor"] == nil ? nil : links.url(setting: "cursor", to: nil),
        "olderURL": page.next.map { links.url(setting: "cursor", to: "\($0)") },
      ])
    return .html(text, status: failure.map { .init(code: $0.code.httpStatus) } ?? .ok)
  }

  private func row(_ notice: NoticeRow, _ times: PageTimes) -> [String: Any] {
    var row: [String: Any] = [
      "number": "\(notice.id)", "at": times.values(notice.openedAt), "recordingText": notice.key.description,
      "recordingURL": "/play/\(notice.key.pathSegment)", "isOpen": notice.closedAt == nil,
      "tags": [notice.closedAt == nil ? tag("Open", "warn") : tag("Closed", "")]
        + (notice.privacy == .restricted ? [tag("Restricted", "warn")] : []),
    ]
    if let decision = notice.decision { row["decisionText"] = decision }
    if let at = notice.closedAt { row["closed"] = times.values(at) }
    return row
  }
}
