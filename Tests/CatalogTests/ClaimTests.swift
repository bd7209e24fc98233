import Catalog
import Model
import TestKit
import Testing

/// Several claims in one transaction.
@Suite(.serialized) struct ClaimTests {
  /// A job as a claim sees it.
  private struct Sample {
    var name: String
    var requester: String?
    var priority: Priority
    /// In seconds before the claim; negative for a job that is not due.
    var age: Int
    var isLeased = false
  }

  /// Jobs of a few requesters in random order.
  private func samples(seed: UInt64) -> [Sample] {
    var random = SeededRandom(seed: seed)
    func below(_ limit: Int) -> Int { .random(in: 0..<limit, using: &random) }
    return (0..<24).map { number in
      let requester = ["a", "b", "c", "d", nil][below(5)]
      return Sample(
        name: "call-\(number)", requester: requester, priority: below(3) == 0 ? .backfill : .fresh,
        // Several have the same age, and backfill of 601 s and more goes before new calls.
        age: [700, 640, 601, 50, 40, 30, 30, 10, -5][below(9)], isLeased: below(6) == 0)
    }
  }

  private func catalog(_ kind: DatabaseKind, _ samples: [Sample]) async throws -> TestCatalog {
    let test = try await TestCatalog(kind)
    for sample in samples { try await test.request(sample.name) }
    let now = test.clock.now
    _ = try await test.database.write { db in
      for sample in samples {
        let due = now + .seconds(-sample.age)
        try db.execute(
          """
          UPDATE job SET requested_by = \(sample.requester), priority = \(sample.priority), due_at = \(due),
            run_state = \(sample.isLeased ? RunState.leased : .idle)
          WHERE platform_id = \(sample.name)
          """)
      }
    }
    return test
  }

  @Test(arguments: DatabaseKind.allCases)
  func `several claims take the same jobs in the same order as one after the other`(kind: DatabaseKind) async throws {
    for seed in UInt64(0)..<12 {
      let samples = samples(seed: seed)
      let single = try await catalog(kind, samples)
      var order: [String] = []
      while let job = try await single.catalog.claimJobs(in: .polling, lease: .seconds(30), limit: 1).first {
        order.append(job.key.id.rawValue)
      }
      #expect(order.count == samples.count { $0.age >= 0 && !$0.isLeased })
      for limit in [2, 5, 50] {
        let several = try await catalog(kind, samples)
        var found: [String] = []
        while true {
          let jobs = try await several.catalog.claimJobs(in: .polling, lease: .seconds(30), limit: limit)
          #expect(jobs.count <= limit)
          #expect(jobs.allSatisfy { $0.runState == .leased && $0.fence == 1 && $0.attempts == 1 })
          if jobs.isEmpty { break }
          found += jobs.map(\.key.id.rawValue)
        }
        #expect(found == order, "seed \(seed), limit \(limit)")
      }
    }
  }

  @Test(arguments: DatabaseKind.allCases)
  func `requesters take turns within one transaction`(kind: DatabaseKind) async throws {
    let many = (0..<20).map { Sample(name: "many-\($0)", requester: "agent", priority: .fresh, age: 100 - $0) }
    let few = ["few-1", "few-2"].map { Sample(name: $0, requester: "supervisor", priority: .fresh, age: 10) }
    let test = try await catalog(kind, many + few + [Sample(name: "other", priority: .fresh, age: 5)])
    let jobs = try await test.catalog.claimJobs(in: .polling, lease: .seconds(30), limit: 6)
    #expect(jobs.map(\.key.id.rawValue) == ["many-0", "few-1", "many-1", "few-2", "many-2", "many-3"])
  }
}
