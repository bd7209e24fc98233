import Foundation
import Model

/// What was asked for with a page of the list, to compare it with what the answer says that it covers.
struct PageRequest {
  var query: RecordingQuery
  /// Nil for the first page.
  var cursor: String?
  var pageSize: Int

  /// The beginning of a day such as `2026-01-15`, in UTC; nil for anything else.
  func day(_ value: Any) -> Instant? {
    guard let text = value as? String, text.utf8.count == 10 else { return nil }
    return Instant(iso8601: text + "T00:00:00Z")
  }
}
