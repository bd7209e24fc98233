import Catalog
import Model

/// Pages of the downloaded files that were refused, for the API and for the page.
struct QuarantineListing {
  let catalog: Catalog

  struct Page {
    /// The newest first.
    var rows: [QuarantineRow]
    /// The cursor of the next page; nil on the last one.
    var next: Int64?
  }

  static let decided = QueryParameter("decided", .flag, "Include files that were accepted or discarded.")

  /// The page that a query asks for, of what the caller may see.
  func load(_ admitted: Admitted<Void>, limit: Int) async throws(TapedeckError) -> Page {
    let query = admitted.query
    var rows = try await catalog.quarantine(
      visibleTo: admitted.identity.visibility, decided: query.has("decided"), before: query.integer("cursor"),
      limit: limit + 1)
    let hasMore = rows.count > limit
    if hasMore { rows.removeLast() }
    return Page(rows: rows, next: hasMore ? rows.last?.id : nil)
  }
}
