import Foundation
import Model

/// What a signed statement says, read from its text.
package struct StatementSummary {
  private var facts: [String: String] = [:]
  private var firstLine: Substring = ""
  private var days = 0
  private var uncheckedDays = 0
  private var totals: [String: String] = [:]

  /// Nil for a text that is not a coverage statement of this version.
  package init?(parsing text: String) {
    let lines = text.split(separator: "\n")
    guard let first = lines.first, first == CoverageStatement.title || first.hasPrefix("\(CoverageStatement.title) ")
    else { return nil }
    firstLine = first.dropFirst(CoverageStatement.title.count + 1)
    for line in lines.dropFirst() {
      let names = ["source", "platform", "first day", "last day", "time zone", "filter", "made at", "verified at"]
      if let name = names.first(where: { line.hasPrefix("\($0) ") }) {
        facts[name] = String(line.dropFirst(name.count + 1))
      } else if line.hasPrefix("day ") {
        days += 1
        if line.contains(" state=not-checked ") { uncheckedDays += 1 }
      } else if line.hasPrefix("total ") {
        for field in line.split(separator: " ").dropFirst() {
          let parts = field.split(separator: "=", maxSplits: 1)
          if parts.count == 2 { totals[String(parts[0])] = String(parts[1]) }
        }
      }
    }
  }

  /// The period, the source, the filter, the totals and the state.
  package var lines: [String] {
    let period = [facts["first day"], facts["last day"]].compactMap { $0 }.joined(separator: " to ")
    let platform = facts["platform"].map { " (\($0))" } ?? ""
    let names = [
      "reported", "expected", "ready", "waiting", "failed", "refused", "missing", "unidentified", "accepted",
      "partial",
    ]
    return [
      "Period: \(period) (\(facts["time zone"] ?? "-"))", "Source: \(facts["source"] ?? "-")\(platform)",
      "Filter: \(facts["filter"] ?? "-")", "Made at: \(facts["made at"] ?? "-")",
      // Earlier statements of this version do not say.
      "Oldest verification: \(facts["verified at"] ?? "-")",
      "Totals: \(names.compactMap { name in totals[name].map { "\(name) \($0)" } }.joined(separator: ", "))",
      "State: \(state)",
    ]
  }

  /// The first line's words, and what they count. Earlier statements of this version omit `COMPLETE`.
  private var state: String {
    let isIncomplete = firstLine.hasPrefix("INCOMPLETE")
    var details: [String] = []
    let (expected, ready) = (number("expected"), number("ready"))
    if expected > ready {
      details.append("\(grouped(expected - ready)) of \(counted(expected, "expected recording")) not in the archive")
    }
    if uncheckedDays > 0 { details.append("\(grouped(uncheckedDays)) of \(counted(days, "day")) not checked") }
    if number("accepted") > 0 {
      details.append("\(counted(number("accepted"), "recording")) accepted after a failed integrity check")
    }
    if number("partial") > 0 { details.append("\(counted(number("partial"), "recording")) partial on the platform") }
    let word = firstLine.isEmpty ? "COMPLETE" : String(firstLine)
    if details.isEmpty { return isIncomplete && days == 0 ? "INCOMPLETE: it covers no days" : word }
    return "\(word)\(word.contains(":") ? "; " : ": ")\(details.joined(separator: ", "))"
  }

  private func number(_ name: String) -> Int64 { totals[name].flatMap { Int64($0) } ?? 0 }
}
