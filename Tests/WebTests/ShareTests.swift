import Catalog
import Foundation
import HTTPTypes
import HummingbirdTesting
import Model
import Synchronization
import TestKit
import Testing
import Web

/// What one identity may take of the server: open jobs, waiting callers, long responses.
@Suite(.timeLimit(.minutes(5)))
struct ShareTests {
  private static func options(_ change: (inout WebFixture.Options) -> Void) -> WebFixture.Options {
    var options = WebFixture.Options()
    change(&options)
    return options
  }

  // MARK: Open jobs

  private func request(_ name: String, _ fixture: WebFixture, as visitor: WebFixture.Visitor = .agent) async throws
    -> WebFixture.Answer
  {
    try await fixture.post("/ingest/\(name)?wait=0", as: visitor)
  }

  @Test func `simultaneous requests of one identity do not exceed its limit of open jobs`() async throws {
    try await WebFixture.run(Self.options { $0.jobsPerIdentity = 3 }) { fixture in
      let statuses = try await withThrowingTaskGroup(of: Int.self) { group in
        for number in 1...20 { group.addTask { try await self.request("call-\(number)", fixture).status } }
        return try await group.reduce(into: []) { $0.append($1) }
      }
      #expect(statuses.sorted() == Array(repeating: 202, count: 3) + Array(repeating: 429, count: 17))
    }
  }

  @Test func `an identity with more than a hundred open jobs waits before it begins another`() async throws {
    let waits = Mutex<[Duration]>([])
    let options = Self.options { options in
      options.sleep = { duration in
        if duration < .seconds(1) { return waits.withLock { $0.append(duration) } }
        try await SystemServices.system.sleep(duration)
      }
    }
    let waited: @Sendable () -> [Duration] = { waits.withLock { $0 } }
    try await WebFixture.run(options) { (fixture) async throws in
      for number in 1...101 { #expect(try await request("call-\(number)", fixture).status == 202) }
      #expect(waited().isEmpty)
      for number in 102...104 { #expect(try await request("call-\(number)", fixture).status == 202) }
      // Neither a request that begins none nor another identity waits.
      #expect(try await request("call-1", fixture).status == 202)
      #expect(try await request("call-105", fixture, as: .supervisor).status == 202)
      #expect(waited() == Array(repeating: .milliseconds(5), count: 3))
    }
  }

  @Test func `an identity at its limit of open jobs is refused, and others are not`() async throws {
    try await WebFixture.run(Self.options { $0.jobsPerIdentity = 3 }) { fixture in
      for number in 1...3 { #expect(try await request("call-\(number)", fixture).status == 202) }
      let refused = try await request("call-4", fixture)
      #expect(refused.status == 429)
      #expect(refused.code == "too_many_jobs")
      #expect(refused.header("Retry-After") == "30")
      #expect(try await fixture.catalog.job(of: try fixture.key("call-4")) == nil)
      // What the identity already has, and what is archived, can be requested again.
      #expect(try await request("call-1", fixture).status == 202)
      #expect(try await request("call-4", fixture, as: .supervisor).status == 202)
      #expect(try await request("call-4", fixture).status == 202)
    }
  }

  @Test(arguments: [TapedeckError.Code.unknownRecording, .conversionFailed, .neverAvailable])
  func `a job that ended no longer counts`(code: TapedeckError.Code) async throws {
    try await WebFixture.run(Self.options { $0.jobsPerIdentity = 1 }) { fixture in
      #expect(try await request("call-1", fixture).status == 202)
      let lease = try await fixture.claim(try await fixture.job(try fixture.key("call-1")).id, in: .polling)
      // A leased job is open.
      #expect(try await request("call-2", fixture).status == 429)
      try await fixture.catalog.release(lease, .fail(TapedeckError(code)))
      #expect(try await request("call-2", fixture).status == 202)
      // Starting the ended one again counts.
      #expect(try await request("call-1", fixture).status == 429)
    }
  }

  @Test func `an archived recording is answered at the limit`() async throws {
    try await WebFixture.run(Self.options { $0.jobsPerIdentity = 1 }) { fixture in
      try await fixture.archive(try fixture.facts("archived"))
      #expect(try await request("call-1", fixture).status == 202)
      #expect(try await request("archived", fixture).status == 200)
    }
  }

  @Test func `a retry counts too`() async throws {
    try await WebFixture.run(Self.options { $0.jobsPerIdentity = 1 }) { fixture in
      #expect(try await request("call-1", fixture, as: .supervisor).status == 202)
      let job = try await fixture.job(try fixture.key("call-1"))
      let lease = try await fixture.claim(job.id, in: .polling)
      try await fixture.catalog.release(lease, .fail(TapedeckError(.unknownRecording)))
      #expect(try await request("call-2", fixture, as: .supervisor).status == 202)
      let refused = try await fixture.post("/api/v1/jobs/\(job.id)/retry", as: .supervisor)
      #expect(refused.status == 429)
      #expect(refused.code == "too_many_jobs")
    }
  }

  // MARK: Waiting callers

  @Test func `of the callers of one identity, a quarter of the connections may wait`() async throws {
    try await WebFixture.run(Self.options { $0.connections = 8 }) { fixture in
      let waiters = fixture.services.waiters
      async let first = fixture.post("/ingest/call-1?wait=600", as: .agent).status
      async let second = fixture.post("/ingest/call-1?wait=600", as: .agent).status
      try await until { waiters.count == 2 }
      // The third is answered at once, as if its wait were over.
      #expect(try await fixture.post("/ingest/call-1?wait=600", as: .agent).status == 202)
      async let third = fixture.post("/ingest/call-1?wait=600", as: .supervisor).status
      async let fourth = fixture.post("/ingest/call-1?wait=600", as: .supervisor).status
      try await until { waiters.count == 4 }
      // Half of the connections wait for all identities.
      let services = try await fixture.post("/ingest/call-2?wait=600", as: .supervisorsBrowser).status
      #expect(services == 202)
      try await fixture.archive(try fixture.facts("call-1"))
      #expect(try await [first, second, third, fourth] == [200, 200, 200, 200])
      try await until { waiters.count == 0 }
      // Others may wait again.
      async let later = fixture.post("/ingest/call-2?wait=600", as: .agent).status
      try await until { waiters.count == 1 }
      try await fixture.archive(try fixture.facts("call-2"))
      #expect(try await later == 200)
    }
  }

  // MARK: Long responses

  @Test func `long responses count for the identity, whatever they are`() async throws {
    // With a limit of 0, each long response is refused, and short ones are not.
    try await WebFixture.run(Self.options { $0.streamsPerIdentity = 0 }) { fixture in
      try await fixture.archive(
        try fixture.facts("long"), mp3: [UInt8](repeating: 1, count: 100_000),
        original: [UInt8](repeating: 2, count: 100_000))
      for number in 0..<400 {
        let facts = try fixture.facts("call-\(number)") { $0.agentName = String(repeating: "n", count: 200) }
        try await fixture.catalog.observe(facts, of: try fixture.key("call-\(number)"))
      }
      for path in ["/audio/long.mp3", "/audio/long/original", "/api/v1/recordings?limit=400"] {
        let answer = try await fixture.get(path, as: .supervisor)
        #expect(answer.status == 429, "\(path)")
        #expect(answer.code == "too_many_streams")
        #expect(answer.header("Retry-After") == "10")
      }
      // Nothing was disclosed, so nothing is logged as heard.
      #expect(try await fixture.logged(.listen).isEmpty)
      #expect(try await fixture.get("/api/v1/recordings?limit=2", as: .supervisor).status == 200)
      let range = try await fixture.get("/audio/long.mp3", as: .supervisor, headers: ["Range": "bytes=0-999"])
      #expect(range.status == 206)
      #expect(try await fixture.send(.head, "/audio/long.mp3", as: .supervisor).status == 200)
    }
  }

  @Test(arguments: ["/audio/long.mp3", "/api/v1/recordings?limit=400"])
  func `a long response is sent whole in its pieces`(path: String) async throws {
    try await WebFixture.run(Self.options { $0.setup = .live }) { fixture in
      let mp3 = (0..<300_000).map { UInt8(truncatingIfNeeded: $0 / 7) }
      try await fixture.archive(try fixture.facts("long"), mp3: mp3)
      for number in 0..<400 {
        let facts = try fixture.facts("call-\(number)") { $0.agentName = String(repeating: "n", count: 200) }
        try await fixture.catalog.observe(facts, of: try fixture.key("call-\(number)"))
      }
      let answer = try await fixture.get(path, as: .supervisor)
      #expect(answer.status == 200)
      if path.hasPrefix("/audio") {
        #expect(answer.body == mp3)
      } else {
        #expect((answer.json["recordings"] as? [Any])?.count == 400)
      }
    }
  }
}
