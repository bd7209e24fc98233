import Access
import Catalog
import Foundation
import Hummingbird
import Model

/// `/api/v1/backfills`: periods whose calls are archived gradually.
struct BackfillController {
  let catalog: Catalog
  let plans: SyncPlans
  let system: SystemServices

  /// What a route does to a backfill.
  enum Verb: String, CaseIterable {
    case pause, resume, cancel

    var state: Backfill.State {
      switch self {
      case .pause: .paused
      case .resume: .running
      case .cancel: .cancelled
      }
    }
  }

  var routes: [Route] {
    [
      .admitted(
        .get, "/api/v1/backfills", .api, permission: .readCoverage, log: .denials,
        "Backfills, with their rate and expected finish, and the rows of their lists that have no usable ID.",
        responses: [.json(.object("BackfillList", ["backfills": .list(BackfillAnswer.schema)]), "The backfills.")]
      ) { _ in
        let now = system.now()
        return Reply(.json(["backfills": try await catalog.backfills().map { BackfillAnswer($0, at: now) }]))
      },
      .admitted(
        .post, "/api/v1/backfills", .api, permission: .runBackfills, log: .change(.backfill),
        "Starts a backfill of a period. Days are those of the source, and `to` is included.",
        body: .json(NewBackfill.schema), responses: [.json(BackfillAnswer.schema, status: 201, "The backfill.")],
        errors: [404, 409]
      ) { admitted in
        let row = try await start(try await admitted.incoming.decode(NewBackfill.self), admitted)
        return Reply(.json(BackfillAnswer(row, at: system.now()), status: .created))
      },
    ]
      + Verb.allCases.map { verb -> Route in
        Route.admitted(
          .post, "/api/v1/backfills/{id}/\(verb)", .api, permission: .runBackfills, log: .change(.backfill),
          "\(verb.rawValue.capitalized)s a backfill.", responses: [.json(BackfillAnswer.schema, "The backfill.")],
          errors: [409]
        ) { admitted in Reply(.json(BackfillAnswer(try await change(verb, admitted), at: system.now()))) }
      }
  }

  private func start(_ wanted: NewBackfill, _ admitted: Admitted<Void>) async throws(TapedeckError) -> Backfill {
    let plan = try await plans.plan(of: wanted.source)
    let period = Period(
      start: try moment(wanted.from, "from", plan, endOfDay: false),
      end: try moment(wanted.to, "to", plan, endOfDay: true))
    try Backfill.check(period, in: plan.zone, now: system.now())
    var direction: Direction?
    if let text = wanted.direction {
      guard let known = Direction(rawValue: text) else {
        throw TapedeckError(.invalidRequest, "'direction' must be outbound, inbound or internal.")
      }
      direction = known
    }
    var details = [
      "do": "start", "from": period.start.iso8601, "source": plan.source.rawValue, "to": period.end.iso8601,
    ]
    // Without one, it is that of the source's filter.
    details["direction"] = (direction ?? plan.filter.direction)?.rawValue ?? "any"
    return try await catalog.startBackfill(
      of: period, from: plan.source, direction: direction, by: admitted.identity.id,
      entry: admitted.entry(details: details))
  }

  /// Changes the backfill that the path names; the entry is committed with the change.
  func change(_ verb: Verb, _ admitted: Admitted<Void>) async throws(TapedeckError) -> Backfill {
    let id = admitted.incoming.path("id")
    return try await catalog.setBackfill(
      id, to: verb.state, entry: admitted.entry(details: ["backfill": id, "do": verb.rawValue]))
  }

  private func moment(
    _ text: String, _ name: String, _ plan: SyncPlan, endOfDay: Bool
  ) throws(TapedeckError) -> Instant {
    guard let instant = Instant(dayOrTimestamp: text, endOfDay: endOfDay, in: plan.zone) else {
      throw TapedeckError(.invalidRequest, "'\(name)' must be \(CalendarDay.expectedForm(orTimestamp: true)).")
    }
    return instant
  }
}

/// The body that starts a backfill.
struct NewBackfill: Decodable {
  static let schema = Schema.input(
    "NewBackfill",
    ["source?": .source, "from": .string, "to": .string, "direction?": .choice(of: Direction.self)])
  var source: String?
  var from: String
  var to: String
  var direction: String?
}

/// A backfill as programs see it.
struct BackfillAnswer: Encodable {
  static let schema = Schema.object(
    "Backfill",
    [
      "id": .string, "source": .source, "from": .moment, "to": .moment, "direction?": .choice(of: Direction.self),
      "state": .choice(of: Backfill.State.self), "reachedAt": .moment, "found": .integer, "queued": .integer,
      "unidentified": .integer,
      "unidentifiedRows": .list(LocatedRow.schema), "open": .integer, "failed": .integer, "remaining?": .integer,
      "hourlyRate?": .number, "throughAt?": .moment,
      "createdAt": .moment, "endedAt?": .moment, "failure?": .string,
    ])

  let id: String
  let source: String
  let from: String
  let to: String
  let direction: String?
  let state: String
  let reachedAt: String
  let found: Int64
  let queued: Int64
  let unidentified: Int
  let unidentifiedRows: [LocatedRow]
  let open: Int64
  let failed: Int64
  let remaining: Int64?
  let hourlyRate: Double?
  let throughAt: String?
  let createdAt: String
  let endedAt: String?
  let failure: String?

  init(_ row: Backfill, at now: Instant) {
    id = row.id
    source = row.source.rawValue
    from = row.period.start.iso8601
    to = row.period.end.iso8601
    direction = row.direction?.rawValue
    state = row.state.rawValue
    reachedAt = row.reachedAt.iso8601
    found = row.found
    queued = row.queued
    unidentified = row.unidentified.count
    unidentifiedRows = row.unidentified.first.map(LocatedRow.init)
    open = row.open
    failed = row.failed
    remaining = row.remaining
    hourlyRate = row.hourlyRate(at: now).map { ($0 * 10).rounded() / 10 }
    throughAt = row.through(at: now)?.iso8601
    createdAt = row.createdAt.iso8601
    endedAt = row.endedAt?.iso8601
    failure = row.failure?.message
  }
}
