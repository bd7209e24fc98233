import Access
import Catalog
import Hummingbird
package import Model

/// What the archive holds against what it must hold, for a span of days; that somebody looked is in the access log.
struct CoverageListing {
  let services: WebServices

  struct Page {
    var plan: SyncPlan
    var days: [CoverageDay]
    /// Without restricted recordings for those who may not see them; the days' numbers have them all.
    var gaps: [CoverageGap]
    var next: Int64?
    var values: [String: String]

    var first: CalendarDay? { days.first?.day }
    var last: CalendarDay? { days.last?.day }
  }

  /// More days would be more than anybody looks at at once.
  static let mostDays = 400

  func load(_ request: Request, _ context: WebContext, gaps limit: Int) async throws(TapedeckError) -> Page {
    let identity = try context.requireIdentity()
    let origin = context.origin(of: request)
    guard Policy.mayReadCoverage(identity) else {
      try await services.log.record(.coverage, .denied, by: identity, code: .insufficientPermissions, from: origin)
      throw TapedeckError(.insufficientPermissions)
    }
    var values: [String: String] = [:]
    for (name, value) in request.uri.queryParameters where !value.isEmpty { values[String(name)] = String(value) }
    let plan = try services.plan(of: values["source"])
    let days = try days(values, plan)
    let after = try values["cursor"].map { text throws(TapedeckError) in
      guard let number = Int64(text) else {
        throw TapedeckError(.invalidRequest, "'cursor' must be the cursor of an earlier answer.")
      }
      return number
    }
    let period = Period(
      start: days.first?.start ?? Instant(milliseconds: 0), end: days.last?.end ?? Instant(milliseconds: 0))
    var gaps = try await services.catalog.coverageGaps(
      of: plan.source, in: period,
      strictest: Policy.allows(.inspect, by: identity, privacy: .restricted) ? .restricted : .standard, after: after,
      limit: limit + 1)
    let hasMore = gaps.count > limit
    if hasMore { gaps.removeLast() }
    let coverage = try await services.catalog.coverage(of: plan, on: days)
    try await services.log.record(
      .coverage, by: identity, count: Int64(gaps.count), from: origin, details: values)
    return Page(plan: plan, days: coverage, gaps: gaps, next: hasMore ? gaps.last?.id : nil, values: values)
  }

  /// The days that are asked for; the last week without any.
  private func days(_ values: [String: String], _ plan: SyncPlan) throws(TapedeckError) -> [CalendarDay] {
    let today = CalendarDay(containing: services.surroundings.now(), in: plan.zone)
    let last = try day(values["to"], "to", plan) ?? today
    let first = try day(values["from"], "from", plan) ?? last.advanced(by: -6)
    guard first <= last, first.distance(to: last) < Self.mostDays else {
      throw TapedeckError(
        .invalidRequest, "'from' must not be after 'to', and at most \(Self.mostDays) days can be asked for at once.")
    }
    return CalendarDay.days(from: first, through: last)
  }

  private func day(_ text: String?, _ name: String, _ plan: SyncPlan) throws(TapedeckError) -> CalendarDay? {
    guard let text else { return nil }
    guard let day = CalendarDay(text, in: plan.zone) else {
      throw TapedeckError(.invalidRequest, "'\(name)' must be a day such as 2026-11-12.")
    }
    return day
  }
}

extension WebServices {
  /// The plan of a source by its name; of the default one without a name.
  ///
  /// - Throws: `notFound` for a source that is not configured.
  package func plan(of name: String?) throws(TapedeckError) -> SyncPlan {
    let source = SourceID(name ?? "default")
    if let source, let plan = plans[source] { return plan }
    guard source == .default else {
      throw TapedeckError(.notFound, "No source of the name '\(name ?? "")' is configured.")
    }
    return SyncPlan(source: .default)
  }
}
