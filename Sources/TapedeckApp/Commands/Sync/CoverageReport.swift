import Foundation
import Model

/// The response of `/api/v1/coverage`.
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
    var unidentified: Int64
    /// Nil from a server of an older version.
    var accepted: Int64?
    /// Nil from a server of an older version.
    var partial: Int64?
    var unlisted: Int64
    var checkedAt: String?
    var verifiedAt: String?
    var checked: Bool
    var complete: Bool
    var unidentifiedRows: [Row]?

    /// Nothing is known about a day that was never listed, unless sync found calls.
    fileprivate var isUnknown: Bool { !checked && checkedAt == nil && expected == 0 }

    fileprivate var checkText: String {
      if checked { return checkedAt ?? "" }
      return checkedAt.map { "not checked: listed too early (last \($0))" } ?? "not checked"
    }
  }

  package struct Row: Codable, Sendable {
    var position: Int
    var reason: String
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
  /// The configured sources that the report does not cover; nil from a server of an older version.
  var otherSources: [String]?
  var timeZone: String
  var filter: String
  var days: [Figures]
  var total: Figures
  var gaps: [Gap]
  var nextCursor: String?

  /// Why the archive cannot be called complete, as a sentence; nil when every day is checked and has no gap.
  package var incompleteText: String? {
    if total.complete { return nil }
    let gaps = total.expected - total.ready
    let unchecked = days.count { !$0.checked }
    var parts: [String] = []
    if gaps > 0 { parts.append("\(counted(gaps, "expected recording")) not in the archive") }
    if unchecked > 0 { parts.append("\(counted(unchecked, "day")) not checked") }
    return parts.joined(separator: ", ") + "."
  }

  /// The source, the table of days, and below it the tables of gaps and of unidentified rows if there are any.
  package var lines: [String] {
    var table = Table([
      "DAY", "REPORTED", "EXPECTED", "READY", "WAITING", "FAILED", "REFUSED", "MISSING", "UNIDENTIFIED", "CHECKED",
    ])
    for day in days + [total] {
      let isUnknown = day.day == nil ? !days.isEmpty && days.allSatisfy(\.isUnknown) : day.isUnknown
      let counts = [
        day.expected, day.ready, day.waiting, day.failed, day.refused, day.missing, day.unidentified,
      ].map { isUnknown ? "–" : grouped($0) }
      table.add(
        [day.day ?? "TOTAL", day.reported.map { grouped($0) } ?? (isUnknown ? "–" : "unknown")] + counts
          + [day.day == nil ? (day.checked ? "" : "not checked") : day.checkText])
    }
    var lines = ["Source: \(source) (\(timeZone), \(filter))"]
    if let otherSources, !otherSources.isEmpty {
      lines.append("Not covered: \(otherSources.joined(separator: ", ")). Name a source with --source.")
    }
    lines += table.lines
    if let accepted = total.accepted, accepted > 0 {
      let recordings = counted(accepted, "ready recording")
      lines.append("\(recordings) \(accepted == 1 ? "was" : "were") refused and then accepted by a user.")
    }
    if let partial = total.partial, partial > 0 {
      let recordings = counted(partial, "ready recording")
      lines.append("\(recordings) \(partial == 1 ? "is" : "are") partial: the platform has no media for some parts.")
    }
    var rowTable = Table(["DAY", "ROW", "REASON"])
    for day in days {
      for row in day.unidentifiedRows ?? [] { rowTable.add([day.day ?? "", "\(row.position)", row.reason]) }
    }
    if total.unidentified > 0 { lines += [""] + rowTable.lines }
    guard !gaps.isEmpty else { return lines }
    var gapTable = Table(["GAP", "STARTED", "STATUS", "REASON"])
    for gap in gaps { gapTable.add([gap.id, gap.at, gap.standing, gap.reason]) }
    return lines + [""] + gapTable.lines
  }
}
