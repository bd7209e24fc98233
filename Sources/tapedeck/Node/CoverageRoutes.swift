import Access
import Catalog
import Foundation
import HTTPTypes
import Hummingbird
import Model
import NIOCore
import Pipeline
import TransparencyLog
import Web

/// What the command line may ask of the running process about completeness: to look for calls now, to ask the platform
/// for a day, to sign a statement.
struct CoverageRoutes {
  let web: WebServices
  let scheduler: Scheduler
  /// Made when it is first needed.
  let signer: @Sendable () async throws -> NoteSigner

  func add(to group: RouterGroup<WebContext>) {
    group.post("operator/sync") { request, context in
      let plan = try web.plan(of: request.uri.queryParameters["source"].map(String.init))
      let found = try await scheduler.syncNow(plan.source)
      try await record(found, request, context, ["source": plan.source.rawValue])
      return try answer(SyncAnswer(source: plan.source.rawValue, found: found.wanted, queued: found.queued))
    }
    group.post("operator/coverage/check") { request, context in
      let plan = try web.plan(of: request.uri.queryParameters["source"].map(String.init))
      let day = try day("day", request, plan)
      let found = try await scheduler.check(day, of: plan.source)
      try await record(found, request, context, ["source": plan.source.rawValue, "day": day.description])
      return Response(status: .noContent)
    }
    group.get("operator/coverage/statement") { request, context in
      let plan = try web.plan(of: request.uri.queryParameters["source"].map(String.init))
      return try await statement(plan, request, context)
    }
    group.get("operator/statement/key") { _, _ in
      Response(status: .ok, body: .init(byteBuffer: ByteBuffer(string: "\(try await signer().verifierKey)\n")))
    }
  }

  private func statement(_ plan: SyncPlan, _ request: Request, _ context: WebContext) async throws -> Response {
    let days = CalendarDay.days(from: try day("from", request, plan), through: try day("to", request, plan))
    guard let first = days.first, let last = days.last, days.count <= 400 else {
      throw TapedeckError(.invalidRequest, "A statement is about 1 to 400 days.")
    }
    let period = Period(start: first.start, end: last.end)
    let limit = 100_000
    let gaps = try await web.catalog.coverageGaps(
      of: plan.source, in: period, strictest: .restricted, after: nil, limit: limit + 1)
    guard gaps.count <= limit else {
      throw TapedeckError(.invalidRequest, "There are more than \(limit) gaps. Ask for a shorter period.")
    }
    let signer = try await signer()
    let statement = CoverageStatement(
      plan: plan, days: try await web.catalog.coverage(of: plan, on: days), gaps: gaps,
      madeAt: web.surroundings.now())
    guard let note = signer.sign(statement.text(origin: signer.verifierKey.name)) else {
      throw TapedeckError(.internalError, detail: "the statement cannot be signed")
    }
    try await web.log.record(
      .coverage, by: try context.requireIdentity(), count: Int64(gaps.count), from: context.origin(of: request),
      details: ["from": "\(first)", "source": plan.source.rawValue, "statement": "signed", "to": "\(last)"])
    return Response(status: .ok, body: .init(byteBuffer: ByteBuffer(string: note.encoded)))
  }

  private func record(
    _ found: Discovery.Found, _ request: Request, _ context: WebContext, _ details: [String: String]
  ) async throws {
    try await web.log.record(
      .search, by: try context.requireIdentity(), count: Int64(found.wanted), from: context.origin(of: request),
      details: details)
  }

  private func day(_ name: String, _ request: Request, _ plan: SyncPlan) throws(TapedeckError) -> CalendarDay {
    guard let text = request.uri.queryParameters[Substring(name)], let day = CalendarDay(String(text), in: plan.zone)
    else { throw TapedeckError(.invalidRequest, "'\(name)' must be a day such as 2026-11-12.") }
    return day
  }

  private func answer(_ value: some Encodable) throws -> Response {
    Response(
      status: .ok, headers: [.contentType: "application/json"],
      body: .init(byteBuffer: ByteBuffer(bytes: try JSONEncoder().encode(value))))
  }
}

/// What a look for new calls found, as it travels to a command.
struct SyncAnswer: Codable {
  var source: String
  var found: Int
  var queued: Int
}
