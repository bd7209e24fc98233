package import Catalog
import Hummingbird
package import Model

/// `GET /api/v1/coverage`: for each day, the recordings that the archive holds and those that it must hold.
struct CoverageController {
  let listing: CoverageListing

  var routes: [Route] {
    [
      .admitted(
        .get, "/api/v1/coverage", .api, permission: .readCoverage, log: .entry(.coverage),
        "For each day of the source's time zone, both ends included: whether the day is checked (listed completely after its end plus `CXONE_SYNC_OVERLAP_MINUTES`) and complete; reported, expected, ready, waiting, failed, refused, missing and unidentified recordings, the unidentified ones with their positions in the platform's list; `accepted`: ready recordings that were refused and then accepted by a user; `partial`: ready recordings with parts for which the platform has no media; `verifiedAt`: the earliest of the last verifications of the ready recordings, absent when one was never verified; `unlisted`: recordings that the platform no longer lists; `otherSources`: the configured sources that the answer does not cover; `gaps` with their reasons; `tasks`: the last sync and look-back, with the rows of their lists that have no usable ID. Only supervisors see the IDs of restricted recordings.",
        query: CoverageListing.parameters, responses: [.json(CoverageAnswer.schema, "The coverage.")], errors: [404]
      ) { admitted in
        let page = try await listing.load(admitted, gaps: 500)
        return Reply(
          .json(
            CoverageAnswer(
              plan: page.plan, others: listing.plans.sources(except: page.plan.source), days: page.days,
              gaps: page.gaps, next: page.next,
              tasks: try await listing.tasks(of: page.plan.source))),
          .shown(count: Int64(page.gaps.count), details: admitted.query.values))
      }
    ]
  }
}

/// The coverage of some days as programs see it.
package struct CoverageAnswer: Encodable {
  static let schema = Schema.object(
    "Coverage",
    [
      "source": .source, "otherSources": .list(.source), "timeZone": .string, "filter": .string,
      "days": .list(Figures.schema),
      "total": Figures.schema, "gaps": .list(Gap.schema), "tasks": .list(Task.schema), "nextCursor?": .string,
    ])

  struct Figures: Encodable {
    static let schema = Schema.object(
      "CoverageFigures",
      [
        "day?": .day, "from?": .moment, "to?": .moment, "reported?": .integer, "expected": .integer,
        "ready": .integer, "waiting": .integer, "failed": .integer, "refused": .integer, "missing": .integer,
        "unidentified": .integer, "accepted": .integer, "partial": .integer, "unlisted": .integer, "checkedAt?": .moment,
        "verifiedAt?": .moment, "checked": .boolean, "complete": .boolean, "unidentifiedRows?": .list(Row.schema),
      ])

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
    let unidentified: Int64
    /// Included in `ready`.
    let accepted: Int64
    /// Included in `ready`.
    let partial: Int64
    let unlisted: Int64
    let checkedAt: String?
    /// The earliest of the last verifications of the ready recordings; nil when one was never verified.
    let verifiedAt: String?
    /// Whether the platform was asked for the whole day long enough after its end; of the total, for every day.
    let checked: Bool
    let complete: Bool
    let unidentifiedRows: [Row]?

    init(_ days: [CoverageDay], isTotal: Bool) {
      func sum(_ figure: (CoverageDay) -> Int64) -> Int64 { days.reduce(0) { $0 + figure($1) } }
      day = isTotal ? nil : days.first?.day.description
      from = isTotal ? nil : days.first?.day.start.iso8601
      to = isTotal ? nil : days.first?.day.end.iso8601
      // A day that was never checked makes the sum unknown.
      reported = days.allSatisfy { $0.reported != nil } ? sum { $0.reported ?? 0 } : nil
      expected = sum(\.expected)
      ready = sum { $0.count(.ready) }
      waiting = sum { $0.count(.waiting) }
      failed = sum { $0.count(.failed) }
      refused = sum { $0.count(.refused) }
      missing = sum { $0.count(.missing) }
      unidentified = sum { $0.count(.unidentified) }
      accepted = sum(\.accepted)
      partial = sum(\.partial)
      unlisted = sum(\.unlisted)
      checkedAt = isTotal ? nil : days.first?.checkedAt?.iso8601
      verifiedAt = days.verifiedAt?.iso8601
      checked = days.allSatisfy(\.isChecked)
      complete = days.allSatisfy(\.isComplete)
      unidentifiedRows =
        isTotal ? nil : days.first?.unidentified.map { Row(position: $0.position, reason: $0.reason) }
    }
  }

  struct Row: Encodable {
    static let schema = Schema.object("UnidentifiedRow", ["position": .integer, "reason": .string])

    /// In the platform's list of the day, counted from 1.
    let position: Int
    let reason: String
  }

  struct Gap: Encodable {
    static let schema = Schema.object(
      "Gap",
      [
        "id": .string, "source": .source, "day": .day, "at": .moment, "standing": .choice(of: CoverageStatus.self),
        "code?": .string, "reason": .string, "fillable": .boolean,
      ])

    let id: String
    let source: String
    let day: String
    let at: String
    let standing: String
    let code: String?
    let reason: String
    let fillable: Bool
  }

  struct Task: Encodable {
    static let schema = Schema.object(
      "SyncTask",
      [
        "task": .choice(["sync", "look_back"]), "lastSuccessAt?": .moment, "dueAt?": .moment, "error?": .string,
        "unidentified": .integer, "unidentifiedRows": .list(LocatedRow.schema),
      ])

    let task: String
    let lastSuccessAt: String?
    let dueAt: String?
    let error: String?
    let unidentified: Int
    let unidentifiedRows: [LocatedRow]

    init(_ row: TaskRow) {
      task = row.key.name.rawValue
      lastSuccessAt = row.lastSuccessAt?.iso8601
      dueAt = row.dueAt?.iso8601
      error = row.lastError?.message
      unidentified = row.unidentified.count
      unidentifiedRows = row.unidentified.first.map(LocatedRow.init)
    }
  }

  let source: String
  let otherSources: [String]
  let timeZone: String
  let filter: String
  let days: [Figures]
  let total: Figures
  let gaps: [Gap]
  let tasks: [Task]
  let nextCursor: String?

  /// - Parameter next: the cursor of the next page of gaps.
  package init(
    plan: SyncPlan, others: [SourceID], days: [CoverageDay], gaps: [CoverageGap], next: Int64?, tasks: [TaskRow]
  ) {
    self.tasks = tasks.map(Task.init)
    source = plan.source.rawValue
    otherSources = others.map(\.rawValue)
    timeZone = plan.zone.name
    filter = plan.filter.description
    self.days = days.map { Figures([$0], isTotal: false) }
    total = Figures(days, isTotal: true)
    self.gaps = gaps.map { gap in
      Gap(
        id: gap.key.id.rawValue, source: gap.key.source.rawValue,
        day: CalendarDay(containing: gap.countedAt, in: plan.zone).description, at: gap.countedAt.iso8601,
        standing: gap.status.rawValue, code: gap.code?.rawValue, reason: gap.reason, fillable: gap.isFillable)
    }
    nextCursor = next.map(String.init)
  }
}

/// A row without a usable ID, in the platform's list of a period.
struct LocatedRow: Encodable {
  static let schema = Schema.object(
    "LocatedRow", ["listFrom": .moment, "position": .integer, "reason": .string])

  let listFrom: String
  /// Counted from 1.
  let position: Int
  let reason: String

  init(_ row: UnidentifiedRows.Located) {
    listFrom = row.listFrom
    position = row.position
    reason = row.reason
  }
}
