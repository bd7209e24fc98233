import Catalog
import Foundation
import Hummingbird
import Model

/// `GET /quarantine`: the files that were refused, for people. Decisions are made on the command line and
/// in the API, with a reason.
struct QuarantinePageController {
  let listing: QuarantineListing
  let pages: PageRenderer

  private static let pageSize = 100

  var routes: [Route] {
    [
      .admitted(
        .get, "/quarantine", .page, permission: .manageJobs, log: .entry(.list, details: ["of": "quarantine"]),
        "The downloaded files that were refused.",
        query: [QuarantineListing.decided, .cursor],
        handler: show)
    ]
  }

  private func show(_ admitted: Admitted<Void>) async throws -> Reply {
    let query = admitted.query
    let page = try await listing.load(admitted, limit: Self.pageSize)
    let rows = page.rows
    let links = QueryLinks(path: "/quarantine", values: query.values)
    let text = try pages.page(
      "quarantine", title: "Quarantine", context: admitted.context, on: .quarantine,
      [
        "countText": rows.isEmpty ? nil : "\(counted(rows.count, "file")) on this page, newest first",
        "hasRows": !rows.isEmpty, "rows": rows.map { row($0, admitted.times) },
        "decidedURL": query.has("decided") ? nil : "/quarantine?decided=1",
        "undecidedURL": query.has("decided") ? "/quarantine" : nil,
        "hasPager": page.next != nil || query["cursor"] != nil,
        "newestURL": query["cursor"] == nil ? nil : links.url(setting: "cursor", to: nil),
        "olderURL": page.next.map { links.url(setting: "cursor", to: "\($0)") },
      ])
    return Reply(.html(text), .shown(count: Int64(rows.count), details: query.values))
  }

  private func row(_ file: QuarantineRow, _ times: PageTimes) -> [String: Any] {
    var row: [String: Any] = [
      "number": "\(file.id)", "at": times.values(file.quarantinedAt), "recordingText": file.key.description,
      "recordingURL": "/play/\(file.key.pathSegment)", "reason": file.reason,
      "sizeText": counted(file.content.bytes, "byte"), "tags": tags(of: file),
    ]
    if file.state != .discarded { row["nodeText"] = file.node }
    if let seconds = file.platformSeconds { row["durationText"] = clock(.seconds(seconds)) }
    if let decision = file.decision { row["decisionText"] = decision }
    if let at = file.decidedAt { row["decided"] = times.values(at) }
    return row
  }

  private func tags(of file: QuarantineRow) -> [[String: String]] {
    let state =
      switch file.state {
      case .kept: tag("Undecided", "warn")
      case .accepted: tag("Accepted", "ok")
      case .discarded: tag("Discarded", "")
      }
    return [state] + (file.privacy == .restricted ? [tag("Restricted", "warn")] : [])
  }
}
