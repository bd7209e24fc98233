import Catalog
import Model
import TransparencyLog

/// What the archive holds of a period against what it must hold, as a signed text that an auditor can check.
struct CoverageStatement {
  let plan: SyncPlan
  let days: [CoverageDay]
  let gaps: [CoverageGap]
  let madeAt: Instant

  /// One fact a line; ids are percent-encoded, so that a space always separates.
  func text(origin: String) -> String {
    var lines = [
      "tapedeck coverage statement v1", "origin \(origin)", "source \(plan.source)",
      "first day \(days.first?.day.description ?? "-")", "last day \(days.last?.day.description ?? "-")",
      "time zone \(plan.zone)", "filter \(words(plan.filter.description))", "made at \(madeAt.iso8601)",
    ]
    for day in days {
      lines.append(
        "day \(day.day) from=\(day.day.start.iso8601) to=\(day.day.end.iso8601) "
          + "checked=\(day.checkedAt?.iso8601 ?? "never") \(figures([day]))")
    }
    for gap in gaps {
      lines.append(
        "gap \(CalendarDay(containing: gap.countedAt, in: plan.zone)) \(gap.countedAt.iso8601) \(gap.key.pathSegment) "
          + "\(gap.standing.rawValue) \(words(gap.reason))")
    }
    lines.append("total \(figures(days))")
    return lines.joined(separator: "\n") + "\n"
  }

  private func figures(_ days: [CoverageDay]) -> String {
    func sum(_ figure: (CoverageDay) -> Int64) -> Int64 { days.reduce(0) { $0 + figure($1) } }
    let reported = days.allSatisfy { $0.reported != nil } ? "\(sum { $0.reported ?? 0 })" : "unknown"
    let standings = CoverageStanding.allCases.map { standing in "\(standing.rawValue)=\(sum { $0.count(standing) })" }
    return "reported=\(reported) expected=\(sum(\.expected)) \(standings.joined(separator: " "))"
  }

  /// On one line, whatever it is.
  private func words(_ text: String) -> String {
    String(String.UnicodeScalarView(text.unicodeScalars.map { $0.value < 0x20 || $0.value == 0x7F ? " " : $0 }))
  }
}
