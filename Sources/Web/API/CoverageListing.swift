import Access
package import Catalog
import Hummingbird
package import Model

/// The coverage of some days, with their gaps.
struct CoverageListing {
  let catalog: Catalog
  let plans: SyncPlans
  let system: SystemServices

  struct Page {
    var plan: SyncPlan
    var days: [CoverageDay]
    /// Without restricted recordings for readers who may not see them; the figures of the days include them.
    var gaps: [CoverageGap]
    var next: Int64?
  }

  /// The requested days of a source, both ends included.
  struct Span {
    enum Problem { case reversed, tooLong }

    var plan: SyncPlan
    var first: CalendarDay
    var last: CalendarDay

    /// Why it cannot be listed; nil if it can.
    var problem: Problem? {
      if last < first { return .reversed }
      return first.distance(to: last) < CoverageListing.maxDays ? nil : .tooLong
    }
  }

  static let maxDays = 400

  static let parameters: [QueryParameter] = [
    QueryParameter("from", .day, "The first day; default: six days before `to`."),
    QueryParameter("to", .day, "The last day; default: today."), .source, .cursor,
  ]

  func load(_ admitted: Admitted<Void>, gaps limit: Int) async throws(TapedeckError) -> Page {
    let (identity, query) = (admitted.identity, admitted.query)
    let span = try await span(query)
    switch span.problem {
    case .reversed: throw TapedeckError(.invalidRequest, "'from' must not be after 'to'.")
    case .tooLong:
      throw TapedeckError(.invalidRequest, "At most \(Self.maxDays) days can be requested at once.")
    case nil: break
    }
    let plan = span.plan
    let days = CalendarDay.days(from: span.first, through: span.last)
    let period = Period(
      start: days.first?.start ?? Instant(milliseconds: 0), end: days.last?.end ?? Instant(milliseconds: 0))
    var gaps = try await catalog.coverageGaps(
      of: plan.source, in: period,
      visibleTo: identity.visibility, after: query.integer("cursor"), limit: limit + 1)
    let hasMore = gaps.count > limit
    if hasMore { gaps.removeLast() }
    let coverage = try await catalog.coverage(of: plan, on: days, visibleTo: identity.visibility)
    return Page(plan: plan, days: coverage, gaps: gaps, next: hasMore ? gaps.last?.id : nil)
  }

  /// The sync and the look-back of a source.
  func tasks(of source: SourceID) async throws(TapedeckError) -> [TaskRow] {
    try await catalog.recurringTasks().filter { $0.key.source == source && [.sync, .lookBack].contains($0.key.name) }
  }

  /// The requested days; the last week by default.
  ///
  /// - Throws: `notFound` for a source that is not configured; `invalidRequest` for a day that does not exist.
  func span(_ query: Query) async throws(TapedeckError) -> Span {
    let plan = try await plans.plan(of: query["source"])
    let today = CalendarDay(containing: system.now(), in: plan.zone)
    let last = try day(query["to"], "to", plan) ?? today
    let first = try day(query["from"], "from", plan) ?? last.advanced(by: -6)
    return Span(plan: plan, first: first, last: last)
  }

  private func day(_ text: String?, _ name: String, _ plan: SyncPlan) throws(TapedeckError) -> CalendarDay? {
    guard let text else { return nil }
    return try CalendarDay(parameter: name, text, in: plan.zone)
  }
}

/// The sync plans of the configured sources.
package struct SyncPlans: Sendable {
  let plans: [SourceID: SyncPlan]
  let catalog: Catalog

  package init(plans: [SourceID: SyncPlan], catalog: Catalog) {
    self.plans = plans
    self.catalog = catalog
  }

  /// The names of all sources but one, in order.
  func sources(except source: SourceID) -> [SourceID] {
    plans.keys.filter { $0 != source }.sorted { $0.rawValue < $1.rawValue }
  }

  /// The plan of a source by its name, or of the default source without a name.
  ///
  /// - Throws: `notFound` for a source that is not configured, which says whether the catalog knows it;
  ///   `catalogFailed`.
  package func plan(of name: String?) async throws(TapedeckError) -> SyncPlan {
    let source = SourceID(name ?? "default")
    if let source, let plan = plans[source] { return plan }
    guard source == .default else {
      if let source, try await catalog.hasCoverage(of: source) { throw TapedeckError.removedSource(source.rawValue) }
      throw TapedeckError.unknownSource(name ?? "")
    }
    return SyncPlan(source: .default)
  }
}
