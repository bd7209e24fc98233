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
    for slots in [1, 8] {
      let claims = due / 2
      let times = try await claim(claims, slots: slots)
      let total = times.reduce(.zero, +)
      report.add(
        name, "claim, \(slots) at a time", times,
        note: "\(Int(Double(claims) / total.inSeconds)) claims/s")
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

  /// Claims jobs as the worker does: one transaction at a time, each for all free slots.
  private func claim(_ count: Int, slots: Int) async throws -> [Duration] {
    var times: [Duration] = []
    for _ in 0..<(count / slots) {
      times.append(
        try await ContinuousClock().measure {
          let jobs = try await catalog.claimJobs(in: .polling, lease: .seconds(3600), limit: slots)
          guard jobs.count == slots else {
            throw TapedeckError(.internalError, "The queue became empty too early.")
          }
        })
    }
    return times
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
