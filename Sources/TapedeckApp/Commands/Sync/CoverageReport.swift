import Foundation
import Model

/// The answer of `/api/v1/coverage`.
package struct CoverageReport: Codable, Sendable {
  package struct Figures: Codable, Sendable {
    var day: String?
    var from: String?
    var to: String?
    var reported: Int64?
    var expected: Int64
    var ready: Int64
    var waiting: Int64
    var failed: Int64
    var refused: Int64
    var missing: Int64
    var unlisted: Int64
    var checkedAt: String?
  }

  package struct Gap: Codable, Sendable {
    var id: String
    var source: String
    var day: String
    var at: String
    var standing: String
    var code: String?
    var reason: String
    var fillable: Bool
  }

  var source: String
  var timeZone: String
  var filter: String
  var days: [Figures]
  var total: Figures
  var gaps: [Gap]
  var nextCursor: String?

  /// The table of days, and below it the table of gaps if there are any.
  package var lines: [String] {
    var table = Table(["DAY", "REPORTED", "EXPECTED", "READY", "WAITING", "FAILED", "REFUSED", "MISSING", "CHECKED"])
    for day in days + [total] {
      table.add([
        day.day ?? "TOTAL", day.reported.map(String.init) ?? "unknown", "\(day.expected)", "\(day.ready)",
        "\(day.waiting)", "\(day.failed)", "\(day.refused)", "\(day.missing)",
        day.day == nil ? "" : day.checkedAt ?? "never",
      ])
    }
    guard !gaps.isEmpty else { return table.lines }
    var gapTable = Table(["GAP", "STARTED", "STATUS", "REASON"])
    for gap in gaps { gapTable.add([gap.id, gap.at, gap.standing, gap.reason]) }
    return table.lines + [""] + gapTable.lines
  }
}
