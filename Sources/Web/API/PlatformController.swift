import Access
import Catalog
import Hummingbird
import Model

/// `GET /api/v1/platform`: the request rate of each source, and the jobs that wait for it.
struct PlatformController {
  let loader: PlatformReport.Loader
  let system: SystemServices

  var routes: [Route] {
    [
      .admitted(
        .get, "/api/v1/platform", .api, permission: .readPlatform, log: .denials,
        "For each source: configured and effective rate, requests, refusals and retries of the last hour, the pause that the platform asked for, jobs by stage, and their expected finish at this rate.",
        responses: [.json(Answer.schema, "The sources.")]
      ) { admitted in
        let now = system.now()
        return Reply(
          .json(Answer(sources: try await loader.load(for: admitted.identity).map { SourceAnswer($0, now: now) })))
      }
    ]
  }

  private struct Answer: Encodable {
    static let schema = Schema.object("Platform", ["sources": .list(SourceAnswer.schema)])
    let sources: [SourceAnswer]
  }

  /// Rates are in requests per second; an absent rate means no limit.
  private struct SourceAnswer: Encodable {
    static let schema = Schema.object(
      "PlatformSource",
      [
        "source": .source, "configuredRate?": .number, "burst": .integer, "effectiveRate?": .number,
        "requestsLastMinute": .integer, "requestsLastHour": .integer, "refusedLastHour": .integer,
        "retriesLastHour": .integer, "pausedUntil?": .moment, "waitingJobs": .map(.integer), "doneAt?": .moment,
      ])

    let source: String
    let configuredRate: Double?
    let burst: Int
    let effectiveRate: Double?
    let requestsLastMinute: Int
    let requestsLastHour: Int
    let refusedLastHour: Int
    let retriesLastHour: Int
    let pausedUntil: String?
    let waitingJobs: [String: Int64]
    let doneAt: String?

    init(_ report: PlatformReport, now: Instant) {
      let status = report.status
      source = status.source.rawValue
      configuredRate = status.limits.rate > 0 ? status.limits.rate : nil
      burst = status.limits.burst
      effectiveRate = status.rate
      requestsLastMinute = Int(status.requestsInLastMinute.rounded())
      requestsLastHour = status.lastHour.requests
      refusedLastHour = status.lastHour.refused
      retriesLastHour = status.lastHour.retries
      pausedUntil = status.pausedUntil?.iso8601Milliseconds
      waitingJobs = Dictionary(report.jobs.map { ($0.key.rawValue, $0.value) }) { $0 + $1 }
      doneAt = report.timeLeft(now: now).map { (now + $0).iso8601 }
    }
  }
}

/// The request rate of a source, and its jobs by stage.
struct PlatformReport: Sendable {
  var status: RateLimitStatus
  var jobs: [Stage: Int64]

  struct Loader: Sendable {
    let catalog: Catalog
    let rateLimits: @Sendable () async throws(TapedeckError) -> [RateLimitStatus]

    func load(for identity: Identity) async throws(TapedeckError) -> [PlatformReport] {
      let underWay = try await catalog.unfinishedJobCounts(visibleTo: identity.visibility)
      return try await rateLimits().map { status in
        let own = underWay.filter { $0.source == status.source }
        return PlatformReport(
          status: status, jobs: Dictionary(own.map { ($0.stage, $0.count) }, uniquingKeysWith: +))
      }
    }
  }

  var jobCount: Int64 { jobs.values.reduce(0, +) }

  /// How long the requests of the current jobs take at the current rate; nil without a limit or a job. Recordings that
  /// the platform has not prepared yet take longer.
  func timeLeft(now: Instant) -> Duration? {
    guard let rate = status.rate, rate > 0, jobCount > 0 else { return nil }
    let requests = jobs.reduce(0.0) { $0 + Double($1.value) * status.requestsLeft[$1.key, default: 0] }
    let pause = status.pausedUntil.map { max(.zero, $0 - now) } ?? .zero
    return pause + .seconds(min(requests / rate, 3_000_000_000))
  }
}
