import Access
import Catalog
import Foundation
import Hummingbird
import Model

/// `GET /coverage`: what each day holds against what it must hold, for people.
struct CoveragePageController {
  let services: WebServices
  let pages: PageRenderer

  func addRoutes(to group: RouterGroup<WebContext>) {
    group.get("coverage") { request, context in
      let page = try await CoverageListing(services: services).load(request, context, gaps: 100)
      return Response.html(
        try pages.page(
          "coverage", title: "Coverage", context: context, on: .coverage,
          try await values(of: page, for: try context.requireIdentity())))
    }
    group.post("coverage/backfills/:id/:verb") { request, context in
      try await FormBody(request).requireToken(context.session?.csrf)
      _ = try await BackfillDesk(services: services).change(request, context)
      return Response.seeOther("/coverage")
    }
  }

  private func values(
    of page: CoverageListing.Page, for identity: Identity
  ) async throws(TapedeckError) -> [String: Any?] {
    let links = QueryLinks(path: "/coverage", values: page.values)
    let total = page.days.reduce(into: (expected: Int64(0), gaps: Int64(0))) {
      $0.expected += $1.expected
      $0.gaps += $1.gaps
    }
    let names = Set(services.sources).union([.default]).map(\.rawValue).sorted()
    let now = services.surroundings.now()
    return [
      "from": page.first?.description ?? "", "to": page.last?.description ?? "", "zone": page.plan.zone.name,
      "filterText": page.plan.filter.description,
      "sources": names.map { ["value": $0, "text": $0, "selected": $0 == page.plan.source.rawValue] },
      "severalSources": names.count > 1,
      "countText": total.gaps == 0
        ? "\(grouped(total.expected)) expected, all ready"
        : "\(grouped(total.expected)) expected, \(grouped(total.gaps)) not ready",
      "days": page.days.reversed().map(row), "hasGaps": !page.gaps.isEmpty,
      "gaps": page.gaps.map { gap($0, page.plan, identity) },
      "hasPager": page.next != nil || page.values["cursor"] != nil,
      "newestURL": page.values["cursor"] == nil ? nil : links.url(setting: "cursor", to: nil),
      "olderURL": page.next.map { links.url(setting: "cursor", to: "\($0)") },
      "hiddenGaps": !Policy.allows(.inspect, by: identity, privacy: .restricted),
      "duties": try await services.catalog.duties().filter { [.sync, .lookBack].contains($0.key.name) }.map {
        duty($0, now)
      },
      "backfills": try await services.catalog.backfills(limit: 20).map { backfill($0, now, identity) },
    ]
  }

  private func row(_ day: CoverageDay) -> [String: Any] {
    var left = 0.0
    var parts: [[String: Any]] = []
    for standing in CoverageStanding.allCases where day.expected > 0 {
      let width = Double(day.count(standing)) / Double(day.expected) * 100
      parts.append(["standing": standing.rawValue, "x": percent(left), "width": percent(width)])
      left += width
    }
    let counts = CoverageStanding.allCases.map { "\($0.rawValue) \(day.count($0))" }.joined(separator: ", ")
    var row: [String: Any] = [
      "dayText": day.day.description, "barText": "\(day.day): \(counts)", "parts": parts,
      "expectedText": grouped(day.expected), "reportedText": day.reported.map(grouped) ?? "Unknown",
      "checkedText": day.checkedAt.map { "\(longTime($0)) UTC" } ?? "Never",
    ]
    for standing in CoverageStanding.allCases { row["\(standing.rawValue)Text"] = grouped(day.count(standing)) }
    if day.unlisted > 0 { row["unlistedText"] = "\(grouped(day.unlisted)) not listed any more" }
    return row
  }

  /// Two digits are more than anybody sees.
  private func percent(_ number: Double) -> String { "\((number * 100).rounded() / 100)%" }

  private func gap(_ gap: CoverageGap, _ plan: SyncPlan, _ identity: Identity) -> [String: Any] {
    var row: [String: Any] = [
      "gapText": gap.key.description, "gapURL": "/play/\(gap.key.pathSegment)", "atISO": gap.countedAt.iso8601,
      "atText": longTime(gap.countedAt), "reason": gap.reason,
      "tags": [tag(gap.standing.rawValue.capitalized, gap.standing == .waiting ? "info" : "danger")],
    ]
    if gap.isFillable, Policy.allows(.ingest, by: identity, privacy: gap.privacy) {
      row["fillURL"] = "/play/\(gap.key.pathSegment)/ingest"
    }
    return row
  }

  private func duty(_ duty: DutyRow, _ now: Instant) -> [String: Any] {
    var row: [String: Any] = [
      "sourceText": duty.key.source.rawValue,
      "dutyText": duty.key.name == .sync ? "New calls" : "Look back",
      "successText": duty.lastSuccessAt.map { "\(longTime($0)) UTC" } ?? "Never",
      "nextText": duty.leaseUntil != nil ? "Now" : duty.dueAt.map { "\(longTime($0)) UTC" } ?? "",
    ]
    if let error = duty.lastError { row["errorText"] = error.message }
    return row
  }

  private func backfill(_ backfill: Backfill, _ now: Instant, _ identity: Identity) -> [String: Any] {
    var row: [String: Any] = [
      "spanText": "\(longTime(backfill.period.start)) to \(longTime(backfill.period.end))",
      "sourceText": backfill.source.rawValue, "stateText": backfill.state.rawValue.capitalized,
      "tone": backfill.state == .failed ? "danger" : backfill.state == .done ? "ok" : "info",
      "shareText": "\(Int((backfill.share * 100).rounded(.down))) %", "foundText": grouped(backfill.found),
      "queuedText": grouped(backfill.queued), "openText": grouped(backfill.open),
      "failedText": grouped(backfill.failed),
      "rateText": backfill.hourlyRate(at: now).map { "\(grouped(Int64(min($0.rounded(), 1e15)))) an hour" } ?? "",
      "throughText": backfill.through(at: now).map { "\(longTime($0)) UTC" } ?? "",
    ]
    if let failure = backfill.failure { row["failureText"] = failure.message }
    let isOpen = backfill.state == .running || backfill.state == .paused
    if isOpen, Policy.mayRunBackfills(identity) {
      let first = backfill.state == .running ? ("pause", "Pause") : ("resume", "Resume")
      row["verbs"] = [first, ("cancel", "Cancel")].map {
        ["verbURL": "/coverage/backfills/\(backfill.id)/\($0.0)", "verbText": $0.1]
      }
    }
    return row
  }
}
