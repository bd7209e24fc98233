import Access
import Catalog
import Hummingbird
import Model

/// `GET /api/v1/platform`: how much is being asked of each source, and what is still to be done.
struct PlatformController {
  let services: WebServices

  func addRoutes(to group: RouterGroup<WebContext>) {
    group.get("api/v1/platform") { request, context in
      guard Policy.mayManageJobs(try context.requireIdentity()) else { try await services.deny(request, context) }
      let now = services.surroundings.now()
      return Response.json(
        Answer(sources: try await PlatformReport.load(services).map { SourceAnswer($0, now: now) }))
    }
  }

  private struct Answer: Encodable { let sources: [SourceAnswer] }

  /// Rates are requests a second; a rate that is missing is no limit.
  private struct SourceAnswer: Encodable {
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
      let standing = report.standing
      source = standing.source.rawValue
      configuredRate = standing.limits.rate > 0 ? standing.limits.rate : nil
      burst = standing.limits.burst
      effectiveRate = standing.rate
      requestsLastMinute = Int(standing.requestsInLastMinute.rounded())
      requestsLastHour = standing.lastHour.requests
      refusedLastHour = standing.lastHour.refused
      retriesLastHour = standing.lastHour.retries
      pausedUntil = standing.pausedUntil?.iso8601Milliseconds
      waitingJobs = Dictionary(report.jobs.map { ($0.key.rawValue, $0.value) }) { $0 + $1 }
      doneAt = report.timeLeft(now: now).map { (now + $0).iso8601 }
    }
  }
}

/// How much is being asked of a source, and how many jobs it has in each stage.
struct PlatformReport: Sendable {
  var standing: SourceStanding
  var jobs: [Stage: Int64]

  static func load(_ services: WebServices) async throws(TapedeckError) -> [PlatformReport] {
    let underWay = try await services.catalog.jobsUnderWay()
    return try await services.standings().map { standing in
      let own = underWay.filter { $0.source == standing.source }
      return PlatformReport(
        standing: standing, jobs: Dictionary(own.map { ($0.stage, $0.count) }, uniquingKeysWith: +))
    }
  }

  var jobCount: Int64 { jobs.values.reduce(0, +) }

  /// When the platform will have been asked everything that the jobs of now need, at the present rate; nil without a
  /// limit or a job. Recordings that the platform has not ready yet take longer.
  func timeLeft(now: Instant) -> Duration? {
    guard let rate = standing.rate, rate > 0, jobCount > 0 else { return nil }
    let requests = jobs.reduce(0.0) { $0 + Double($1.value) * Self.requests(in: $1.key) }
    let silence = standing.pausedUntil.map { max(.zero, $0 - now) } ?? .zero
    return silence + .seconds(min(requests / rate, 3_000_000_000))
  }

  /// Requests that a job still has before it: whether it is ready, its audio, and once more who may hear it.
  private static func requests(in stage: Stage) -> Double {
    switch stage {
    case .queued, .awaiting: 3
    case .fetching: 2
    case .processing: 1
    case .ready: 0
    }
  }
}
