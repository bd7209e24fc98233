import Access
import Catalog
import Hummingbird
import Model

/// `/api/v1/backfills`: spans of time whose calls are fetched bit by bit.
struct BackfillController {
  let services: WebServices

  func addRoutes(to group: RouterGroup<WebContext>) {
    group.get("api/v1/backfills") { request, context in
      guard Policy.mayReadCoverage(try context.requireIdentity()) else { try await services.deny(request, context) }
      let now = services.surroundings.now()
      let rows = try await services.catalog.backfills()
      return Response.json(["backfills": rows.map { BackfillAnswer($0, at: now) }])
    }
    group.post("api/v1/backfills") { request, context in
      let wanted = try await request.decode(as: NewBackfill.self, context: context)
      let row = try await BackfillDesk(services: services).start(wanted, request, context)
      return Response.json(BackfillAnswer(row, at: services.surroundings.now()), status: .created)
    }
    group.post("api/v1/backfills/:id/:verb") { request, context in
      let row = try await BackfillDesk(services: services).change(request, context)
      return Response.json(BackfillAnswer(row, at: services.surroundings.now()))
    }
  }
}

/// What a back-fill is asked for with. Days are those of the source; as an end, a day includes itself.
struct NewBackfill: Decodable {
  var source: String?
  var from: String
  var to: String
  var direction: String?
}

/// Starts, pauses, resumes and cancels back-fills; each of these is in the access log.
struct BackfillDesk {
  let services: WebServices

  func start(
    _ wanted: NewBackfill, _ request: Request, _ context: WebContext
  ) async throws(TapedeckError) -> Backfill {
    let identity = try await admit(request, context)
    let plan = try services.plan(of: wanted.source)
    let period = Period(
      start: try moment(wanted.from, "from", plan, endOfDay: false),
      end: try moment(wanted.to, "to", plan, endOfDay: true))
    guard !period.isEmpty else { throw TapedeckError(.invalidRequest, "'from' must be before 'to'.") }
    var direction: Direction?
    if let text = wanted.direction {
      guard let known = Direction(rawValue: text) else {
        throw TapedeckError(.invalidRequest, "'direction' must be outbound, inbound or internal.")
      }
      direction = known
    }
    return try await services.catalog.startBackfill(
      of: period, from: plan.source, direction: direction, by: identity.id,
      entry: entry(
        identity, request, context,
        [
          "do": "start", "from": period.start.iso8601, "source": plan.source.rawValue, "to": period.end.iso8601,
        ]))
  }

  func change(_ request: Request, _ context: WebContext) async throws(TapedeckError) -> Backfill {
    let identity = try await admit(request, context)
    let id = context.parameters.get("id") ?? ""
    let verb = context.parameters.get("verb") ?? ""
    let state: Backfill.State
    switch verb {
    case "pause": state = .paused
    case "resume": state = .running
    case "cancel": state = .cancelled
    default: throw TapedeckError(.notFound)
    }
    return try await services.catalog.setBackfill(
      id, to: state, entry: entry(identity, request, context, ["backfill": id, "do": verb]))
  }

  private func admit(_ request: Request, _ context: WebContext) async throws(TapedeckError) -> Identity {
    let identity = try context.requireIdentity()
    guard Policy.mayRunBackfills(identity) else { try await services.deny(request, context) }
    return identity
  }

  private func entry(
    _ identity: Identity, _ request: Request, _ context: WebContext, _ details: [String: String]
  ) -> LogEntry {
    LogEntry(
      at: services.surroundings.now(), action: .backfill, outcome: .allowed, actor: identity,
      origin: context.origin(of: request), details: details)
  }

  private func moment(
    _ text: String, _ name: String, _ plan: SyncPlan, endOfDay: Bool
  ) throws(TapedeckError) -> Instant {
    if let day = CalendarDay(text, in: plan.zone) { return endOfDay ? day.end : day.start }
    guard let instant = Instant(iso8601: text) else {
      throw TapedeckError(
        .invalidRequest, "'\(name)' must be a day such as 2026-11-12, or a moment such as 2026-11-12T14:00:00Z.")
    }
    return instant
  }
}

/// A back-fill as programs see it.
struct BackfillAnswer: Encodable {
  let id: String
  let source: String
  let from: String
  let to: String
  let direction: String?
  let state: String
  let reachedAt: String
  let found: Int64
  let queued: Int64
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
