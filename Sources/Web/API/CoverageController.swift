import Catalog
import Hummingbird
import Model

/// `GET /api/v1/coverage`: what each day holds against what it must hold, and each gap with its reason.
struct CoverageController {
  let services: WebServices

  func addRoutes(to group: RouterGroup<WebContext>) {
    group.get("api/v1/coverage") { request, context in
      let page = try await CoverageListing(services: services).load(request, context, gaps: 500)
      return Response.json(CoverageAnswer(page))
    }
  }
}

/// The coverage of a span of days as programs see it.
struct CoverageAnswer: Encodable {
  struct Figures: Encodable {
    let day: String?
    /// Half open.
    let from: String?
    let to: String?
    let reported: Int64?
    let expected: Int64
    let ready: Int64
    let waiting: Int64
    let failed: Int64
    let refused: Int64
    let missing: Int64
    let unlisted: Int64
    let checkedAt: String?

    init(_ days: [CoverageDay], isTotal: Bool) {
      func sum(_ figure: (CoverageDay) -> Int64) -> Int64 { days.reduce(0) { $0 + figure($1) } }
      day = isTotal ? nil : days.first?.day.description
      from = isTotal ? nil : days.first?.day.start.iso8601
      to = isTotal ? nil : days.first?.day.end.iso8601
      // A day that was never asked for makes the sum unknown.
      reported = days.allSatisfy { $0.reported != nil } ? sum { $0.reported ?? 0 } : nil
      expected = sum(\.expected)
      ready = sum { $0.count(.ready) }
      waiting = sum { $0.count(.waiting) }
      failed = sum { $0.count(.failed) }
      refused = sum { $0.count(.refused) }
      missing = sum { $0.count(.missing) }
      unlisted = sum(\.unlisted)
      checkedAt = isTotal ? nil : days.first?.checkedAt?.iso8601
    }
  }

  struct Gap: Encodable {
    let id: String
    let source: String
    let day: String
    let at: String
    let standing: String
    let code: String?
    let reason: String
    let fillable: Bool
  }

  let source: String
  let timeZone: String
  let filter: String
  let days: [Figures]
  let total: Figures
  let gaps: [Gap]
  let nextCursor: String?

  init(_ page: CoverageListing.Page) {
    source = page.plan.source.rawValue
    timeZone = page.plan.zone.name
    filter = page.plan.filter.description
    days = page.days.map { Figures([$0], isTotal: false) }
    total = Figures(page.days, isTotal: true)
    gaps = page.gaps.map { gap in
      Gap(
        id: gap.key.id.rawValue, source: gap.key.source.rawValue,
        day: CalendarDay(containing: gap.countedAt, in: page.plan.zone).description, at: gap.countedAt.iso8601,
        standing: gap.standing.rawValue, code: gap.code?.rawValue, reason: gap.reason, fillable: gap.isFillable)
    }
    nextCursor = page.next.map(String.init)
  }
}
