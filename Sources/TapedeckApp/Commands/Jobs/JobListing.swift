import Foundation
import Model

/// The response of `/api/v1/jobs`.
package struct JobListing: Listing, Sendable {
  package var jobs: [ListedJob]
  package var nextCursor: String?

  package static var emptyTable: Table {
    Table(
      ["JOB", "RECORDING", "STATE", "STAGE", "PRIORITY", "CODE", "DUE OR ENDED", "MESSAGE"],
      optional: ["PRIORITY", "CODE", "DUE OR ENDED"])
  }
  package static var emptyText: String { "No jobs match." }

  package func fill(_ table: inout Table) {
    for job in jobs {
      table.add([
        "\(job.id)", qualifiedID(job.recordingId, source: job.source), job.shownState, job.stage, job.priority ?? "-",
        job.error?.code ?? "-", job.dueAt ?? job.endedAt ?? "-", job.restrictedReason ?? job.message ?? "",
      ])
    }
  }
}

/// A job as the API describes it.
package struct ListedJob: Decodable, Sendable {
  struct Failure: Decodable, Sendable { var code: String }

  package var id: Int64
  var source: String
  var recordingId: String
  var state: String
  var stage: String
  var restrictedReason: String?
  var message: String?
  var priority: String?
  var attempts: Int?
  var polls: Int?
  var resumes: Int?
  var bytes: Int64?
  var totalBytes: Int64?
  var requestedAt: String?
  var dueAt: String?
  var endedAt: String?
  var playerUrl: String?
  var error: Failure?
  var steps: [StepTime]?

  /// The state for display; the API calls a job that waits for a worker `idle`.
  var shownState: String { state == RunState.idle.rawValue ? "queued" : state }

  /// The facts and the steps, as `tapedeck jobs show` prints them.
  package var lines: [String] {
    let facts = Table(facts: [
      ("job", "\(id)"), ("recording", recordingId), ("source", source), ("state", shownState), ("stage", stage),
      ("priority", priority), ("code", error?.code), ("message", restrictedReason ?? message),
      ("attempts", attempts.map { grouped($0) }), ("polls", polls.map { grouped($0) }),
      ("resumes", resumes.map { grouped($0) }),
      ("bytes", bytes.map { "\(grouped($0))\(totalBytes.map { " of \(grouped($0))" } ?? "")" }),
      ("requested", requestedAt), ("due", dueAt), ("ended", endedAt), ("player", playerUrl),
    ])
    return facts.lines + StepTime.lines(steps ?? [])
  }
}

/// Finds a job by its number, or else by its recording: IDs of recordings can be numbers too.
///
/// - Throws: `notFound`; `invalidRecordingID`.
func findJob(_ text: String, source: String, _ connection: OperatorClient) async throws -> ListedJob {
  if let number = Int64(text), number > 0, number < .max {
    let page = try await connection.get("/api/v1/jobs", ["cursor": "\(number + 1)", "limit": "1"])
      .decode(JobListing.self)
    if let job = page.jobs.first, job.id == number { return job }
  }
  let key = try recordingKey(text, source: source)
  let page = try await connection.get(
    "/api/v1/jobs", ["recording": key.id.rawValue, "source": key.source.rawValue, "limit": "1"]
  ).decode(JobListing.self)
  guard let job = page.jobs.first else {
    throw TapedeckError(
      .notFound,
      "There is no job '\(text)': no job has this number, and no recording with this ID was requested from source '\(source)'. 'tapedeck jobs list' shows all jobs."
    )
  }
  return job
}
