import Catalog
import Foundation
import Model

/// The job queue with a hundred thousand jobs that are not yet due.
struct QueueBench {
  let catalog: Catalog
  let name: String
  private let waiting = 100_000
  private let due = 20_000

  init(catalog: Catalog, name: String) {
    self.catalog = catalog
    self.name = name
  }

  func run(into report: inout Report) async throws {
    let before = try Process.usage()
    try await add(waiting, "waiting", dueAt: .systemNow() + .seconds(86_400))
    let after = try Process.usage()
    report.note(
      """
      \(name): \(waiting) waiting jobs: memory \(before.memory) → \(after.memory) MiB, threads \(before.threads) → \
      \(after.threads)
      """)

    var times: [Duration] = []
    for _ in 0..<400 {
      times.append(try await ContinuousClock().measure { _ = try await catalog.nextDue(in: .polling) })
    }
    report.add(name, "when the next job is due", times)

    try await add(due, "due", dueAt: .systemNow())
    for workers in [1, 8] {
      let claims = due / 2
      let (time, latencies) = try await claim(claims, workers: workers)
      report.add(
        name, "claim, \(workers) at a time", latencies, note: "\(Int(Double(claims) / time.inSeconds)) claims/s")
    }
    report.note("\(name): peak memory of this process \(try Process.usage().peak) MiB")
  }

  private func add(_ count: Int, _ prefix: String, dueAt: Instant) async throws {
    for first in stride(from: 0, to: count, by: 1000) {
      _ = try await catalog.database.write(.readCommitted) { db in
        var jobs: SQL = """
          INSERT INTO job (kind, source, platform_id, stage, run_state, clearance, requested_at, due_at) VALUES
          """
        for number in first..<(first + 1000) {
          let comma: SQL = number == first ? " " : ", "
          jobs += comma
          jobs += """
            ('ingest', 'default', \("\(prefix)-\(number)"), \(Stage.queued), \(RunState.idle), \(Privacy.standard), 0,
            \(dueAt))
            """
        }
        return try db.execute(jobs)
      }
    }
  }

  private func claim(_ count: Int, workers: Int) async throws -> (Duration, [Duration]) {
    let start = ContinuousClock.now
    let latencies = try await withThrowingTaskGroup(of: [Duration].self) { group in
      for _ in 0..<workers {
        group.addTask {
          var times: [Duration] = []
          for _ in 0..<(count / workers) {
            times.append(
              try await ContinuousClock().measure {
                guard try await catalog.claimJob(in: .polling, lease: .seconds(3600)) != nil else {
                  throw TapedeckError(.internalError, "The queue became empty too early.")
                }
              })
          }
          return times
        }
      }
      return try await group.reduce(into: []) { $0 += $1 }
    }
    return (start.duration(to: .now), latencies)
  }
}

/// This process as Linux reports it.
private enum Process {
  static func usage() throws -> (memory: Int, peak: Int, threads: Int) {
    let text = try String(contentsOfFile: "/proc/self/status", encoding: .utf8)
    func number(_ name: String) -> Int {
      let line = text.split(separator: "\n").first { $0.hasPrefix("\(name):") }
      return line?.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap { Int($0) } ?? 0
    }
    return (number("VmRSS") / 1024, number("VmHWM") / 1024, number("Threads"))
  }
}
