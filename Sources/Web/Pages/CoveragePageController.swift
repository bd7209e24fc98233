import Access
import Catalog
import Foundation
import Hummingbird
import Model

/// `GET /coverage`: the coverage and the backfills, for people.
struct CoveragePageController {
  let catalog: Catalog
  let listing: CoverageListing
  let backfills: BackfillController
  let sources: Set<SourceID>
  /// Whether sync and look-back run.
  let syncs: Bool
  let system: SystemServices
  let pages: PageRenderer

  var routes: [Route] {
    [
      .admitted(
        .get, "/coverage", .page, permission: .readCoverage, log: .entry(.coverage), "The coverage.",
        query: CoverageListing.parameters
      ) { admitted in
        let span = try await listing.span(admitted.query)
        let failure = span.problem.map(message)
        let page =
          failure == nil
          ? try await listing.load(admitted, gaps: 100)
          : CoverageListing.Page(plan: span.plan, days: [], gaps: [], next: nil)
        let text = try pages.page(
          "coverage", title: "Coverage", context: admitted.context, on: .coverage,
          try await values(of: page, span, for: admitted, failure: failure))
        return Reply(
          .html(text, status: failure == nil ? .ok : .badRequest),
          .shown(count: Int64(page.gaps.count), details: admitted.query.values))
      }
    ]
      + BackfillController.Verb.allCases.map { verb -> Route in
        Route.admitted(
          .post, "/coverage/backfills/{id}/\(verb)", .page, permission: .runBackfills, log: .change(.backfill),
          "\(verb.rawValue.capitalized)s a backfill.", body: .form
        ) { admitted in
          _ = try await admitted.form()
          _ = try await backfills.change(verb, admitted)
          return Reply(.seeOther("/coverage"))
        }
      }
  }

  private func message(of problem: CoverageListing.Span.Problem) -> String {
    switch problem {
    case .reversed: Query.reversedPeriod
    case .tooLong: "At most \(CoverageListing.maxDays) days can be shown at once. Change one of the dates."
    }
  }

  private func values(
    of page: CoverageListing.Page, _ span: CoverageListing.Span, for admitted: Admitted<Void>, failure: String?
  ) async throws(TapedeckError) -> [String: Any?] {
    let query = admitted.query
    let links = QueryLinks(path: "/coverage", values: query.values)
    let names = Set(sources).union([.default]).map(\.rawValue).sorted()
    let now = system.now()
    let times = admitted.times
    return [
      "from": span.first.description, "to": span.last.description, "failure": failure, "zone": page.plan.zone.name,
      "filterText": page.plan.filter.description,
      "sources": names.map { ["value": $0, "text": $0, "selected": $0 == page.plan.source.rawValue] },
      "severalSources": names.count > 1,
      "countText": failure == nil ? summary(of: page) : nil, "hasDays": failure == nil,
      "days": page.days.reversed().map { row($0, now, times) }, "hasGaps": !page.gaps.isEmpty,
      "gaps": page.gaps.map { gap($0, page.plan, admitted) },
      "hasPager": page.next != nil || query["cursor"] != nil,
      "newestURL": query["cursor"] == nil ? nil : links.url(setting: "cursor", to: nil),
      // Gaps are listed oldest first.
      "newestText": "First page", "olderText": "Next page",
      "olderURL": page.next.map { links.url(setting: "cursor", to: "\($0)") },
      "hiddenGaps": admitted.identity.visibility.extent(of: .restricted) < .facts,
      "tasks": try await catalog.recurringTasks().filter { [.sync, .lookBack].contains($0.key.name) }.map {
        task($0, times)
      },
      "backfills": try await catalog.backfills(limit: 20).map { backfill($0, now, admitted) },
    ]
  }

  private func summary(of page: CoverageListing.Page) -> String {
    let unchecked = page.days.count { !$0.isChecked }
    if unchecked == page.days.count { return "Not checked" }
    let expected = page.days.reduce(0) { $0 + $1.expected }
    let gaps = page.days.reduce(0) { $0 + $1.gaps }
    if unchecked > 0 {
      let days = "\(unchecked) of \(page.days.count) days not checked"
      return gaps == 0 ? days : "\(days), \(counted(gaps, "recording")) not ready"
    }
    return "\(grouped(expected)) expected, " + (gaps == 0 ? "all ready" : "\(grouped(gaps)) not ready")
  }

  private func row(_ day: CoverageDay, _ now: Instant, _ times: PageTimes) -> [String: Any] {
    var left = 0.0
    var parts: [[String: Any]] = []
    for status in CoverageStatus.allCases where day.expected > 0 {
      let width = Double(day.count(status)) / Double(day.expected) * 100
      parts.append(["status": status.rawValue, "x": percent(left), "width": percent(width)])
      left += width
    }
    let unchecked = day.isChecked ? "" : "not checked, "
    let counts = CoverageStatus.allCases.map { "\($0.rawValue) \(day.count($0))" }.joined(separator: ", ")
    var row: [String: Any] = [
      "dayText": day.day.description, "barText": "\(day.day): \(unchecked)\(counts)", "parts": parts,
      "reportedText": day.reported.map(grouped) ?? "–", "verdict": [verdict(on: day, now)],
    ]
    if let checked = day.checkedAt { row["checked"] = times.values(checked) }
    // Nothing is known about a day that was never listed, unless sync found calls.
    let isUnknown = day.checkedAt == nil && day.expected == 0
    row["expectedText"] = isUnknown ? "–" : grouped(day.expected)
    for status in CoverageStatus.allCases {
      row["\(status.rawValue)Text"] = isUnknown ? "–" : grouped(day.count(status))
    }
    if day.accepted > 0 { row["acceptedText"] = "\(grouped(day.accepted)) accepted despite failure" }
    if day.partial > 0 { row["partialText"] = "\(grouped(day.partial)) partial" }
    let unidentified = day.count(.unidentified)
    if unidentified > 0 {
      let positions = day.unidentified.prefix(20).map { "Row \($0.position): \($0.reason)" }
      let more = unidentified > 20 ? ["and \(grouped(unidentified - 20)) more"] : []
      row["rowsText"] = (positions + more).joined(separator: " ")
    }
    if day.unlisted > 0 { row["unlistedText"] = "\(grouped(day.unlisted)) no longer listed" }
    return row
  }

  /// Whether the archive has everything of the day; if that is not known, why.
  private func verdict(on day: CoverageDay, _ now: Instant) -> [String: String] {
    if day.isChecked { return day.isComplete ? tag("Complete", "ok") : tag("Incomplete", "danger") }
    let reason =
      if day.day.start > now { "in the future" } else if day.day.end > now { "not over" } else if day.checkedAt == nil {
        "never listed"
      } else { "listed too early" }
    return tag("Not checked: \(reason)", "warn")
  }

  /// Two decimals are finer than a screen shows.
  private func percent(_ number: Double) -> String { "\((number * 100).rounded() / 100)%" }

  private func gap(_ gap: CoverageGap, _ plan: SyncPlan, _ admitted: Admitted<Void>) -> [String: Any] {
    var row: [String: Any] = [
      "gapText": gap.key.description, "gapURL": "/play/\(gap.key.pathSegment)",
      "at": admitted.times.values(gap.countedAt),
      "reason": gap.reason,
      "tags": [tag(gap.status.rawValue.capitalized, gap.status == .waiting ? "info" : "danger")],
    ]
    if gap.isFillable, admitted.allows(.ingest, at: gap.privacy) {
      row["fillURL"] = "/play/\(gap.key.pathSegment)/ingest"
    }
    return row
  }

  private func task(_ task: TaskRow, _ times: PageTimes) -> [String: Any] {
    var row: [String: Any] = [
      "sourceText": task.key.source.rawValue,
      "taskText": task.key.name == .sync ? "Sync" : "Check of past days",
      "isRunning": task.leaseUntil != nil, "isOff": !syncs && task.leaseUntil == nil,
    ]
    if let success = task.lastSuccessAt { row["success"] = times.values(success) }
    if syncs, let due = task.dueAt, task.leaseUntil == nil { row["next"] = times.values(due) }
    if let error = task.lastError { row["errorText"] = error.message }
    row["rowsText"] = text(of: task.unidentified)
    return row
  }

  /// How many rows have no usable ID, and where the first of them are; nil without any.
  private func text(of rows: UnidentifiedRows) -> String? {
    guard rows.count > 0 else { return nil }
    let located = rows.first.map { "Row \($0.position) of the list from \($0.listFrom): \($0.reason)" }
    let more = rows.count > rows.first.count ? ["and \(grouped(Int64(rows.count - rows.first.count))) more"] : []
    return (["\(grouped(Int64(rows.count))) unidentified."] + located + more).joined(separator: " ")
  }

  private func backfill(_ backfill: Backfill, _ now: Instant, _ admitted: Admitted<Void>) -> [String: Any] {
    var row: [String: Any] = [
      "start": admitted.times.values(backfill.period.start), "end": admitted.times.values(backfill.period.end),
      "sourceText": backfill.source.rawValue, "stateText": backfill.state.rawValue.capitalized,
      "tone": backfill.state == .failed ? "danger" : backfill.state == .done ? "ok" : "info",
      "shareText": "\(Int((backfill.share * 100).rounded(.down)))%", "foundText": grouped(backfill.found),
      "queuedText": grouped(backfill.queued), "openText": grouped(backfill.open),
      "failedText": grouped(backfill.failed),
    ]
    if let rate = backfill.hourlyRate(at: now) { row["rateText"] = "\(grouped(rate, decimals: 0)) per hour" }
    if let through = backfill.through(at: now) { row["through"] = admitted.times.values(through) }
    if let failure = backfill.failure { row["failureText"] = failure.message }
    row["rowsText"] = text(of: backfill.unidentified)
    let isOpen = backfill.state == .running || backfill.state == .paused
    if isOpen, admitted.allows(.runBackfills) {
      let verbs: [BackfillController.Verb] = [backfill.state == .running ? .pause : .resume, .cancel]
      row["verbs"] = verbs.map {
        ["verbURL": "/coverage/backfills/\(backfill.id)/\($0)", "verbText": $0.rawValue.capitalized]
      }
    }
    return row
  }
}
