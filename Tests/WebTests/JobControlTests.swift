import Catalog
import Foundation
import HummingbirdTesting
import Model
import Testing

/// Lists of jobs, retry and cancel.
@Suite(.timeLimit(.minutes(5)))
struct JobControlTests {
  /// A job that failed with a code.
  private func fail(_ id: String, _ code: TapedeckError.Code, _ fixture: WebFixture) async throws -> JobRow {
    let lease = try await fixture.leased(try fixture.key(id))
    try await fixture.catalog.release(lease, .fail(TapedeckError(code)))
    return try await fixture.job(try fixture.key(id))
  }

  private func ids(_ answer: WebFixture.Answer) -> [String] {
    (answer.json["jobs"] as? [[String: Any]] ?? []).compactMap { $0["recordingId"] as? String }
  }

  @Test func `jobs are listed newest first, by state, code, source and recording, page by page`() async throws {
    try await WebFixture.run { fixture in
      for (id, code) in [("a", TapedeckError.Code.neverAvailable), ("b", .unknownRecording), ("c", .neverAvailable)] {
        _ = try await fail(id, code, fixture)
      }
      try await fixture.archive(try fixture.facts("d"))
      let west = try #require(SourceID("west"))
      _ = try await fixture.leased(try fixture.key("a", source: west))
      func list(_ query: String) async throws -> [String] {
        let answer = try await fixture.get("/api/v1/jobs\(query)", as: .admin)
        #expect(answer.status == 200, "\(query)")
        return ids(answer)
      }
      #expect(try await list("") == ["a", "d", "c", "b", "a"])
      #expect(try await list("?state=failed") == ["c", "b", "a"])
      #expect(try await list("?state=failed&code=never_available") == ["c", "a"])
      #expect(try await list("?state=done") == ["d"])
      #expect(try await list("?recording=a") == ["a", "a"])
      #expect(try await list("?recording=a&source=west&state=leased") == ["a"])
      let first = try await fixture.get("/api/v1/jobs?limit=2", as: .supervisor)
      let cursor = try #require(first.json["nextCursor"] as? String)
      #expect(ids(first) == ["a", "d"])
      #expect(try await list("?limit=2&cursor=\(cursor)") == ["c", "b"])
      #expect(try await list("?limit=3&cursor=\(cursor)") == ["c", "b", "a"])
      let last = try await fixture.get("/api/v1/jobs?limit=3&cursor=\(cursor)", as: .admin)
      #expect(last.json["nextCursor"] == nil)
      let entry = try #require(try await fixture.logged(.list).first)
      #expect(entry.details["of"] == "jobs")
      #expect(entry.count == 3)
    }
  }

  @Test func `an administrator cannot filter jobs of restricted recordings by code`() async throws {
    try await WebFixture.run { fixture in
      let lease = try await fixture.fetching(try fixture.facts("secret", privacy: .restricted))
      try await fixture.catalog.release(lease, .fail(TapedeckError(.conversionFailed)))
      _ = try await fail("open", .conversionFailed, fixture)
      let query = "/api/v1/jobs?code=conversion_failed"
      #expect(ids(try await fixture.get(query, as: .admin)) == ["open"])
      #expect(ids(try await fixture.get(query, as: .supervisor)) == ["open", "secret"])
      #expect(ids(try await fixture.get("/api/v1/jobs?recording=secret", as: .admin)) == ["secret"])
    }
  }

  static let malformed = [
    "?state=dead", "?code=nothing", "?source=No%20Such", "?recording=..", "?cursor=x", "?limit=0", "?limit=1001",
    "?limit=many",
  ]

  @Test(arguments: malformed)
  func `a malformed parameter of the list is a bad request`(query: String) async throws {
    try await WebFixture.run { fixture in
      let answer = try await fixture.get("/api/v1/jobs\(query)", as: .admin)
      #expect(answer.status == 400)
    }
  }

  @Test func `a failed job is retried, with a log entry`() async throws {
    try await WebFixture.run { fixture in
      let failed = try await fail("lost", .incompleteRecording, fixture)
      let answer = try await fixture.post("/api/v1/jobs/\(failed.id)/retry", as: .admin)
      #expect(answer.status == 200)
      #expect(answer.json["state"] as? String == "idle")
      #expect(answer.json["stage"] as? String == "queued")
      let job = try await fixture.job(failed.key)
      #expect(job.failure == nil && job.attempts == 0)
      // A retry with a lower clearance keeps the higher one.
      #expect(job.clearance == .restricted)
      let entry = try #require(try await fixture.logged(.retryJob).first)
      #expect(entry.actor?.name == "token-admin")
      #expect(entry.recording == failed.key)
      #expect(entry.details["job"] == "\(failed.id)")
      // A second retry changes nothing, as the job is due already.
      #expect(try await fixture.post("/api/v1/jobs/\(failed.id)/retry", as: .admin).status == 200)
      #expect(try await fixture.job(failed.key).fence == job.fence)
    }
  }

  @Test func `a waiting job is tried now`() async throws {
    try await WebFixture.run { fixture in
      let lease = try await fixture.leased(try fixture.key("later"))
      try await fixture.catalog.release(
        lease, .retry(at: .systemNow() + .seconds(600), because: TapedeckError(.platformUnavailable)))
      #expect(try await fixture.catalog.claimJobs(in: .polling, lease: .seconds(30), limit: 1).first == nil)
      #expect(try await fixture.post("/api/v1/jobs/\(lease.jobID)/retry", as: .supervisor).status == 200)
      #expect(try await fixture.catalog.claimJobs(in: .polling, lease: .seconds(30), limit: 1).first?.id == lease.jobID)
    }
  }

  @Test func `a restricted recording that waits for a supervisor is not released by an administrator`() async throws {
    try await WebFixture.run { fixture in
      let key = try fixture.key("closed")
      _ = try await fixture.catalog.requestIngest(
        of: key, clearance: .standard, by: "test",
        entry: LogEntry(at: .systemNow(), action: .ingest, outcome: .allowed, actor: nil, recording: key))
      let lease = try await fixture.claim(try await fixture.job(key).id, in: .polling)
      try await fixture.catalog.observe(try fixture.facts("closed", privacy: .restricted), of: key)
      try await fixture.catalog.release(lease, .awaitClearance)
      let path = "/api/v1/jobs/\(lease.jobID)/retry"
      let closed = try await fixture.post(path, as: .admin)
      #expect(closed.status == 200)
      #expect(closed.json["restrictedReason"] != nil && closed.json["bytes"] == nil)
      #expect(try await fixture.job(key).dueAt == nil)
      let listed = try await fixture.get("/api/v1/jobs", as: .admin)
      #expect(!listed.text.contains("message"))
      #expect(ids(listed) == ["closed"])
      let released = try await fixture.post(path, as: .supervisor)
      #expect(released.json["state"] as? String == "idle")
      #expect(try await fixture.job(key).dueAt != nil)
    }
  }

  @Test func `a cancelled job takes the lease from its worker, and waiting callers are answered`() async throws {
    try await WebFixture.run { fixture in
      let lease = try await fixture.fetching(try fixture.facts("stopped"))
      try await fixture.catalog.recordProgress(
        of: lease, JobPart(0, download: "{}", bytes: 5, totalBytes: 10), resumes: 0)
      let answer = try await fixture.post("/api/v1/jobs/\(lease.jobID)/cancel", as: .supervisor)
      #expect(answer.status == 200)
      #expect(answer.json["state"] as? String == "cancelled")
      #expect(answer.json["bytes"] as? Int == 0)
      await #expect(throws: TapedeckError.self) {
        try await fixture.catalog.recordProgress(
          of: lease, JobPart(0, download: "{}", bytes: 6, totalBytes: 10), resumes: 0)
      }
      #expect(try await fixture.catalog.heartbeat([lease], lease: .seconds(30)) == [lease])
      let entry = try #require(try await fixture.logged(.cancelJob).first)
      #expect(entry.recording?.id.rawValue == "stopped")
      let again = try await fixture.post("/api/v1/jobs/\(lease.jobID)/cancel", as: .supervisor)
      #expect(again.status == 409 && again.code == "job_ended")
      #expect(try await fixture.logged(.cancelJob).count == 1)
      // A new request starts it again.
      #expect(try await fixture.post("/ingest/stopped?wait=0", as: .agent).status == 202)
    }
  }

  @Test func `a failed job can be cancelled, so that no look-back retries it`() async throws {
    try await WebFixture.run { fixture in
      let job = try await fail("failed", .platformUnavailable, fixture)
      let answer = try await fixture.post("/api/v1/jobs/\(job.id)/cancel", as: .admin)
      #expect(answer.status == 200 && answer.json["state"] as? String == "cancelled")
      let error = answer.json["error"] as? [String: Any]
      #expect(error?["code"] as? String == "platform_unavailable")
      #expect((answer.json["message"] as? String)?.contains("The platform is unavailable") == true)
      #expect(try await fixture.job(job.key).endedAt == job.endedAt)
      let again = try await fixture.post("/api/v1/jobs/\(job.id)/cancel", as: .admin)
      #expect(again.status == 409 && again.code == "job_ended")
    }
  }

  @Test func `a caller who waits for a cancelled job is answered at once`() async throws {
    try await WebFixture.run(WebFixture.Options(setup: .live)) { fixture in
      async let waiting = fixture.post("/ingest/waited-for?wait=60", as: .agent)
      var changes = fixture.catalog.changes().makeAsyncIterator()
      let key = try fixture.key("waited-for")
      while try await fixture.catalog.job(of: key) == nil { _ = await changes.next() }
      // Not through the client, whose only connection waits.
      _ = try await fixture.catalog.cancelJob(
        try await fixture.job(key).id,
        entry: LogEntry(at: .systemNow(), action: .cancelJob, outcome: .allowed, actor: nil, recording: key))
      let answer = try await waiting
      #expect(answer.status == 409)
      #expect(answer.code == "job_cancelled")
    }
  }

  @Test func `a change that cannot be logged is not made`() async throws {
    try await WebFixture.run { fixture in
      let failed = try await fail("lost", .neverAvailable, fixture)
      try await fixture.breakAccessLog()
      #expect(try await fixture.post("/api/v1/jobs/\(failed.id)/retry", as: .admin).status >= 500)
      #expect(try await fixture.job(failed.key).runState == .failed)
      #expect(try await fixture.get("/api/v1/jobs", as: .admin).status == 503)
    }
  }

  @Test func `a denial is logged before it is answered`() async throws {
    try await WebFixture.run { fixture in
      let failed = try await fail("lost", .neverAvailable, fixture)
      for path in ["/api/v1/jobs/\(failed.id)/retry", "/api/v1/jobs/\(failed.id)/cancel"] {
        #expect(try await fixture.post(path, as: .agent).status == 403)
      }
      #expect(try await fixture.logged(.retryJob, .denied).count == 1)
      #expect(try await fixture.logged(.cancelJob, .denied).count == 1)
      #expect(try await fixture.get("/api/v1/jobs", as: .agent).status == 403)
      #expect(try await fixture.logged(.list, .denied).first?.details["of"] == "jobs")
    }
  }

  // MARK: Other sites

  @Test func `another site cannot cancel a job through a browser`() async throws {
    try await WebFixture.run { fixture in
      let lease = try await fixture.fetching(try fixture.facts("r"))
      let answer = try await fixture.post(
        "/api/v1/jobs/\(lease.jobID)/cancel", as: .supervisorsBrowser, headers: ["Sec-Fetch-Site": "cross-site"])
      #expect(answer.code == "cross_site_request")
      #expect(try await fixture.job(try fixture.key("r")).runState == .leased)
    }
  }
}
