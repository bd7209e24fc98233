import Catalog
import Foundation
import Hummingbird
import Model

/// `GET /platform`: the request rate of each source, for people.
struct PlatformPageController {
  let loader: PlatformReport.Loader
  let system: SystemServices
  let pages: PageRenderer

  var routes: [Route] {
    [
      .admitted(.get, "/platform", .page, permission: .readPlatform, log: .denials, "The request rate of each source.")
      { admitted in
        let now = system.now()
        let reports = try await loader.load(for: admitted.identity)
        let text = try pages.page(
          "platform", title: "Platform", context: admitted.context, on: .platform,
          [
            "hasSources": !reports.isEmpty, "sources": reports.map { values(of: $0, now: now, admitted.times) },
            "asOf": admitted.times.values(now),
          ])
        return Reply(.html(text))
      }
    ]
  }

  private func values(of report: PlatformReport, now: Instant, _ times: PageTimes) -> [String: Any] {
    let status = report.status
    var values: [String: Any] = [
      "sourceName": status.source.rawValue, "sourceID": "source-\(status.source.rawValue)",
      "tags": [stateTag(status)],
      "configuredText": status.limits.rate > 0
        ? "\(perSecond(status.limits.rate)), bursts of \(grouped(status.limits.burst))" : "no limit",
      "effectiveText": status.rate.map(perSecond) ?? "no limit",
      "minuteText": requests(Int64(status.requestsInLastMinute.rounded())),
      "hourText": requests(Int64(status.lastHour.requests)),
      "refusedText": "\(requests(Int64(status.lastHour.refused)))\(share(status.lastHour.refused, status))",
      "retriesText": "\(requests(Int64(status.lastHour.retries)))\(share(status.lastHour.retries, status))",
      "jobsText": jobs(report),
    ]
    if let used = status.usedFraction {
      let percent = Int((min(used, 9.99) * 100).rounded())
      values["used"] = ["percent": min(percent, 100), "usedText": "\(percent)%"]
    }
    if let until = status.pausedUntil { values["paused"] = times.values(until) }
    if let left = report.timeLeft(now: now) { values["done"] = times.values(now + left) }
    return values
  }

  private func stateTag(_ status: RateLimitStatus) -> [String: String] {
    if status.pausedUntil != nil { return tag("Paused by the platform", "warn") }
    if let rate = status.rate, status.limits.rate == 0 || rate < status.limits.rate {
      return status.lastHour.refused > 0 ? tag("Slowed down", "warn") : tag("Below the configured rate", "info")
    }
    return tag(status.rate == nil ? "No rate limit" : "At the configured rate", "ok")
  }

  private func jobs(_ report: PlatformReport) -> String {
    guard report.jobCount > 0 else { return "none" }
    let names: [(Stage, String)] = [
      (.queued, "queued"), (.awaiting, "waiting for the platform"), (.fetching, "downloading"),
      (.processing, "processing"),
    ]
    let parts = names.compactMap { stage, name in report.jobs[stage].map { "\(grouped($0)) \(name)" } }
    return parts.joined(separator: ", ")
  }

  private func perSecond(_ rate: Double) -> String {
    let number = rate >= 10 ? grouped(rate, decimals: 0) : String(format: "%.2g", rate)
    return "\(number) \(number == "1" ? "request" : "requests") per second"
  }

  private func requests(_ count: Int64) -> String { counted(count, "request") }

  private func share(_ count: Int, _ status: RateLimitStatus) -> String {
    guard count > 0, status.lastHour.requests > 0 else { return "" }
    return String(format: " (%.1f%%)", 100 * Double(count) / Double(status.lastHour.requests))
  }
}
