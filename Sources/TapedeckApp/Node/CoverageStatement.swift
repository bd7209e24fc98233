package import Catalog
package import Model

/// The text of a coverage statement: what the archive must hold of a period and what it holds. It is then signed.
///
/// The format is stable: auditors and their scripts read it.
package struct CoverageStatement {
  /// How the first line of every statement of this version begins.
  static let title = "tapedeck coverage statement v1"

  let plan: SyncPlan
  /// The address of the platform; nil for a source that is not configured.
  let platform: String?
  let days: [CoverageDay]
  let gaps: [CoverageGap]
  let acceptances: [Acceptance]
  let madeAt: Instant

  package init(
    plan: SyncPlan, platform: String? = nil, days: [CoverageDay], gaps: [CoverageGap], acceptances: [Acceptance] = [],
    madeAt: Instant
  ) {
    self.plan = plan
    self.platform = platform
    self.days = days
    self.gaps = gaps
    self.acceptances = acceptances
    self.madeAt = madeAt
  }

  /// Whether every day is checked and every expected recording is archived.
  private var isComplete: Bool { !days.isEmpty && gaps.isEmpty && days.allSatisfy(\.isComplete) }

  /// `COMPLETE` or `INCOMPLETE`. A filter that excludes everything is named, because such a period has no gaps.
  private var verdict: String {
    let word = isComplete ? "COMPLETE" : "INCOMPLETE"
    let reported = days.reduce(0) { $0 + ($1.reported ?? 0) }
    guard reported > 0, days.allSatisfy({ $0.expected == 0 }) else { return word }
    return "\(word): the filter excludes all \(counted(reported, "reported recording"))"
  }

  /// One fact per line. The first says whether everything expected is known and archived. Ids are percent-encoded, so
  /// that spaces always separate fields.
  package func text(origin: String) -> String {
    var lines = [
      "\(Self.title) \(verdict)", "origin \(origin)", "source \(plan.source)", "platform \(platform ?? "-")",
      "first day \(days.first?.day.description ?? "-")", "last day \(days.last?.day.description ?? "-")",
      "time zone \(plan.zone)", "filter \(plan.filter.description.onOneLine)", "made at \(madeAt.iso8601)",
      "verified at \(verified)",
    ]
    for day in days {
      lines.append(
        "day \(day.day) from=\(day.day.start.iso8601) to=\(day.day.end.iso8601) "
          + "checked=\(day.checkedAt?.iso8601 ?? "never") state=\(state(of: day)) \(figures([day]))")
    }
    for day in days {
      for row in day.unidentified {
        lines.append("unidentified \(day.day) row=\(row.position) \(row.reason.onOneLine)")
      }
    }
    for gap in gaps {
      lines.append("gap \(call(gap.key, gap.countedAt)) \(gap.status.rawValue) \(gap.reason.onOneLine)")
    }
    lines += acceptances.map(note)
    lines.append("total \(figures(days))")
    return lines.joined(separator: "\n") + "\n"
  }

  /// When every file of the ready recordings had been read back and compared with its hash; `-` without files.
  private var verified: String {
    days.verifiedAt?.iso8601 ?? (days.contains { $0.count(.ready) > 0 } ? "never" : "-")
  }

  private func note(_ acceptance: Acceptance) -> String {
    let text =
      "The file was refused at \(acceptance.failedAt.iso8601) (\(acceptance.finding)) and was accepted "
      + "by \(acceptance.acceptedBy) at \(acceptance.acceptedAt.iso8601): \(acceptance.reason)"
    return "note \(call(acceptance.key, acceptance.countedAt)) accepted \(text.onOneLine)"
  }

  /// The day, the start and the ID.
  private func call(_ key: RecordingKey, _ countedAt: Instant) -> String {
    "\(CalendarDay(containing: countedAt, in: plan.zone)) \(countedAt.iso8601) \(key.pathSegment)"
  }

  private func state(of day: CoverageDay) -> String {
    if !day.isChecked { return "not-checked" }
    return day.isComplete ? "complete" : "incomplete"
  }

  private func figures(_ days: [CoverageDay]) -> String {
    func sum(_ figure: (CoverageDay) -> Int64) -> Int64 { days.reduce(0) { $0 + figure($1) } }
    let reported = days.allSatisfy { $0.reported != nil } ? "\(sum { $0.reported ?? 0 })" : "unknown"
    let counts = CoverageStatus.allCases.map { status in "\(status.rawValue)=\(sum { $0.count(status) })" }
    let partial = sum(\.partial) == 0 ? "" : " partial=\(sum(\.partial))"
    return
      "reported=\(reported) expected=\(sum(\.expected)) \(counts.joined(separator: " ")) accepted=\(sum(\.accepted))"
      + partial
  }
}
