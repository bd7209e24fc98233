import Catalog
import Foundation
import HTTPTypes
import Hummingbird
import Model
import NIOCore
import Pipeline
import TransparencyLog
import Web

/// Routes of the command socket that sync a source now, check a day on the platform, and sign a statement.
struct CoverageRoutes {
  let catalog: Catalog
  let plans: SyncPlans
  /// The addresses of the platforms of the configured sources.
  let platforms: [SourceID: String]
  let scheduler: Scheduler
  let system: SystemServices
  /// Made when it is first needed.
  let signer: @Sendable () async throws -> NoteSigner

  private static let source = QueryParameter("source", .source, "The name of a source.")

  var routes: [Route] {
    [
      .admitted(
        .post, "/operator/sync", .command, permission: .administer, log: .entry(.search),
        "Looks for new calls of a source now.", query: [Self.source]
      ) { admitted in
        let plan = try await plans.plan(of: admitted.query["source"])
        let found = try await scheduler.syncNow(plan.source)
        return try .json(
          SyncAnswer(
            source: plan.source.rawValue, found: found.wanted, queued: found.queued,
            unidentified: found.unidentified.count, unidentifiedRows: found.unidentified.first),
          .shown(count: Int64(found.wanted), details: ["source": plan.source.rawValue]))
      },
      .admitted(
        .post, "/operator/coverage/check", .command, permission: .administer, log: .entry(.search),
        "Compares a day with the platform.",
        query: [Self.source, QueryParameter("day", .day, required: true, "The day.")]
      ) { admitted in
        let plan = try await plans.plan(of: admitted.query["source"])
        let day = try day("day", admitted, plan)
        let found = try await scheduler.check(day, of: plan.source)
        return Reply(
          Response(status: .noContent),
          .shown(count: Int64(found.wanted), details: ["source": plan.source.rawValue, "day": day.description]))
      },
      .admitted(
        .get, "/operator/coverage/statement", .command, permission: .administer, log: .entry(.coverage),
        "A signed statement of the coverage.",
        query: [
          Self.source, QueryParameter("from", .day, required: true, "The first day."),
          QueryParameter("to", .day, required: true, "The last day."),
        ], handler: statement),
      .admitted(
        .get, "/operator/statement/key", .command, permission: .administer, log: .denials,
        "The key that verifies statements."
      ) { _ in
        Reply(Response(status: .ok, body: .init(byteBuffer: ByteBuffer(string: "\(try await signer().verifierKey)\n"))))
      },
    ]
  }

  private func statement(_ admitted: Admitted<Void>) async throws -> Reply {
    let plan = try await plans.plan(of: admitted.query["source"])
    let days = CalendarDay.days(from: try day("from", admitted, plan), through: try day("to", admitted, plan))
    guard let first = days.first, let last = days.last, days.count <= 400 else {
      throw TapedeckError(.invalidRequest, "A statement covers 1 to 400 days.")
    }
    let period = Period(start: first.start, end: last.end)
    let limit = 100_000
    let gaps = try await catalog.coverageGaps(
      of: plan.source, in: period, visibleTo: admitted.identity.visibility, after: nil, limit: limit + 1)
    guard gaps.count <= limit else {
      throw TapedeckError(.invalidRequest, "There are more than \(limit) gaps. Choose a shorter period.")
    }
    let acceptances = try await catalog.acceptances(
      of: plan.source, in: period, visibleTo: admitted.identity.visibility, limit: limit + 1)
    guard acceptances.count <= limit else {
      throw TapedeckError(.invalidRequest, "There are more than \(limit) accepted recordings. Choose a shorter period.")
    }
    let signer = try await signer()
    let statement = CoverageStatement(
      plan: plan, platform: platforms[plan.source],
      days: try await catalog.coverage(of: plan, on: days, visibleTo: admitted.identity.visibility), gaps: gaps,
      acceptances: acceptances, madeAt: system.now())
    guard let note = signer.sign(statement.text(origin: signer.verifierKey.name)) else {
      throw TapedeckError(.internalError, detail: "the statement cannot be signed")
    }
    return Reply(
      Response(status: .ok, body: .init(byteBuffer: ByteBuffer(string: note.encoded))),
      .shown(
        count: Int64(gaps.count),
        details: [
          "filter": plan.filter.description, "from": "\(first)", "source": plan.source.rawValue,
          "statement": "signed", "statement_sha256": note.sha256, "to": "\(last)",
        ]))
  }

  private func day(_ name: String, _ admitted: Admitted<Void>, _ plan: SyncPlan) throws(TapedeckError) -> CalendarDay {
    try CalendarDay(parameter: name, admitted.query[name] ?? "", in: plan.zone)
  }
}

/// What a sync found, as sent to a command.
package struct SyncAnswer: Codable {
  var source: String
  var found: Int
  var queued: Int
  /// The number of rows without a usable ID.
  var unidentified: Int
  /// The first of them.
  var unidentifiedRows: [UnidentifiedRows.Located]

  /// What the command shows.
  package var lines: [String] {
    let found = "Found \(counted(found, "recording")), queued \(grouped(queued))."
    guard unidentified > 0 else { return [found] }
    var table = Table(["LIST FROM", "ROW", "REASON"])
    for row in unidentifiedRows { table.add([row.listFrom, "\(row.position)", row.reason]) }
    return [found, ""] + table.lines
  }

  /// Why not everything that the platform lists can be archived, as a sentence; nil when it can.
  package var incompleteText: String? { unidentified > 0 ? rowsWithoutID(unidentified, cannotBe: "archived") : nil }
}
