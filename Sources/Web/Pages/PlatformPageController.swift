import Catalog
import Foundation
import Hummingbird
import Model

/// `GET /platform`: how much is being asked of each source, for those who look after the work.
struct PlatformPageController {
  let services: WebServices
  let pages: PageRenderer

  func addRoutes(to group: RouterGroup<WebContext>) {
    group.get("platform") { request, context in
      guard Policy.mayManageJobs(try context.requireIdentity()) else { try await services.deny(request, context) }
      let now = services.surroundings.now()
      let reports = try await PlatformReport.load(services)
      return Response.html(
        try pages.page(
          "platform", title: "Platform", context: context, on: .platform,
          [
            "hasSources": !reports.isEmpty, "sources": reports.map { values(of: $0, now: now) },
            "asOfISO": now.iso8601, "asOfText": longTime(now),
          ]))
    }
  }

  private func values(of report: PlatformReport, now: Instant) -> [String: Any] {
    let standing = report.standing
    var values: [String: Any] = [
      "sourceName": standing.source.rawValue, "sourceID": "source-\(standing.source.rawValue)",
      "tags": [stateTag(standing)],
      "configuredText": standing.limits.rate > 0
        ? "\(perSecond(standing.limits.rate)), bursts of \(standing.limits.burst)" : "no limit",
      "effectiveText": standing.rate.map(perSecond) ?? "no limit",
      "minuteText": requests(Int64(standing.requestsInLastMinute.rounded())),
      "hourText": requests(Int64(standing.lastHour.requests)),
      "refusedText": "\(requests(Int64(standing.lastHour.refused)))\(share(standing.lastHour.refused, standing))",
      "retriesText": "\(requests(Int64(standing.lastHour.retries)))\(share(standing.lastHour.retries, standing))",
      "jobsText": jobs(report),
    ]
    if let used = standing.usedPart {
      let percent = Int((min(used, 9.99) * 100).rounded())
      values["used"] = ["percent": min(percent, 100), "usedText": "\(percent) %"]
    }
    if let until = standing.pausedUntil {
      values["paused"] = ["untilISO": until.iso8601, "untilText": longTime(until)]
    }
    if let left = report.timeLeft(now: now) {
      let end = now + left
      values["done"] = ["atISO": end.iso8601, "atText": longTime(end)]
    }
    return values
  }

  private func stateTag(_ standing: SourceStanding) -> [String: String] {
    if standing.pausedUntil != nil { return tag("Paused by the platform", "warn") }
    if let rate = standing.rate, standing.limits.rate == 0 || rate < standing.limits.rate {
      return standing.lastHour.refused > 0 ? tag("Slowed down", "warn") : tag("Starting slowly", "info")
    }
    return tag("At the configured rate", "ok")
  }

  private func jobs(_ report: PlatformReport) -> String {
    guard report.jobCount > 0 else { return "none" }
    let names: [(Stage, String)] = [
      (.queued, "queued"), (.awaiting, "not ready on the platform"), (.fetching, "to be fetched"),
      (.processing, "to be converted"),
    ]
    let parts = names.compactMap { stage, name in report.jobs[stage].map { "\(grouped($0)) \(name)" } }
    return parts.joined(separator: ", ")
  }

  private func perSecond(_ rate: Double) -> String {
    let number = rate >= 10 ? String(format: "%.0f", rate) : String(format: "%.2g", rate)
    return "\(number) requests a second"
  }

  private func requests(_ count: Int64) -> String { "\(grouped(count)) \(count == 1 ? "request" : "requests")" }

  private func share(_ count: Int, _ standing: SourceStanding) -> String {
    guard count > 0, standing.lastHour.requests > 0 else { return "" }
    return String(format: " (%.1f %%)", 100 * Double(count) / Double(standing.lastHour.requests))
  }
}
