package import Catalog
package import Model

/// The text of a coverage statement: what the archive must hold of a period and what it holds. It is then signed.
///
/// The format is stable: auditors and their scripts read it.
package struct CoverageStatement {
  let plan: SyncPlan
  let days: [CoverageDay]
  let gaps: [CoverageGap]
  let madeAt: Instant

  package init(plan: SyncPlan, days: [CoverageDay], gaps: [CoverageGap], madeAt: Instant) {
    self.plan = plan
    self.days = days
    self.gaps = gaps
    self.madeAt = madeAt
  }

  /// Whether every day is checked and every expected recording is archived.
  private var isComplete: Bool { !days.isEmpty && gaps.isEmpty && days.allSatisfy(\.isComplete) }

  /// One fact per line. The first says `INCOMPLETE` unless everything expected is known and archived. Ids are percent-encoded, so that spaces always separate fields.
  package func text(origin: String) -> String {
    var lines = [
      "tapedeck coverage statement v1\(isComplete ? "" : " INCOMPLETE")", "origin \(origin)", "source \(plan.source)",
      "first day \(days.first?.day.description ?? "-")", "last day \(days.last?.day.description ?? "-")",
      "time zone \(plan.zone)", "filter \(singleLine(plan.filter.description))", "made at \(madeAt.iso8601)",
    ]
    for day in days {
      lines.append(
        "day \(day.day) from=\(day.day.start.iso8601) to=\(day.day.end.iso8601) "
          + "checked=\(day.checkedAt?.iso8601 ?? "never") state=\(state(of: day)) \(figures([day]))")
    }
    for day in days {
      for row in day.unidentified {
        lines.append("unidentified \(day.day) row=\(row.position) \(singleLine(row.reason))")
      }
    }
    for gap in gaps {
      lines.append(
        "gap \(CalendarDay(containing: gap.countedAt, in: plan.zone)) \(gap.countedAt.iso8601) \(gap.key.pathSegment) "
          + "\(gap.status.rawValue) \(singleLine(gap.reason))")
    }
    lines.append("total \(figures(days))")
    return lines.joined(separator: "\n") + "\n"
  }

  private func state(of day: CoverageDay) -> String {
    if !day.isChecked { return "not-checked" }
    return day.isComplete ? "complete" : "incomplete"
  }

  private func figures(_ days: [CoverageDay]) -> String {
    func sum(_ figure: (CoverageDay) -> Int64) -> Int64 { days.reduce(0) { $0 + figure($1) } }
    let reported = days.allSatisfy { $0.reported != nil } ? "\(sum { $0.reported ?? 0 })" : "unknown"
    let counts = CoverageStatus.allCases.map { status in "\(status.rawValue)=\(sum { $0.count(status) })" }
    return "reported=\(reported) expected=\(sum(\.expected)) \(counts.joined(separator: " "))"
  }

  /// Replaces line breaks and other control characters, so that a text stays on its line.
  private func singleLine(_ text: String) -> String {
    String(String.UnicodeScalarView(text.unicodeScalars.map { $0.value < 0x20 || $0.value == 0x7F ? " " : $0 }))
  }
}
