/// Collects what a run of `tapedeck verify` finds.
package struct VerifyReport: Sendable {
  package private(set) var summary = VerifySummary()
  /// The recordings whose repair has not ended, in the order in which they were found.
  package private(set) var repairs: [RecordingProblem] = []
  private var seen: Set<String> = []

  package init() {}

  /// Adds a page of verified recordings.
  package mutating func add(_ answer: VerifyAnswer) -> [VerifyFinding] {
    summary.recordings += answer.recordings
    summary.objects += answer.objects
    summary.bytes += answer.bytes
    summary.seconds += answer.seconds
    summary.whole += answer.whole
    if answer.stop != nil { stop() }
    return answer.problems.compactMap { add($0) }
  }

  /// Adds the result of comparing some object names with the catalog.
  package mutating func add(_ answer: ReconcileAnswer) -> [VerifyFinding] {
    summary.orphans += answer.orphans.count
    summary.foreign += answer.foreign
    summary.damaged += answer.orphans.count { !$0.isMoved }
    return answer.orphans.map(VerifyFinding.init) + answer.problems.compactMap { add($0) }
  }

  /// Adds the end of a repair.
  ///
  /// - Parameters:
  ///   - check: the recording, verified again after its job ended.
  ///   - failure: why the job failed, if it did.
  package mutating func endRepair(
    of problem: RecordingProblem, _ check: VerifyAnswer, failure: String?
  ) -> VerifyFinding {
    repairs.removeAll { $0.id == problem.id && $0.source == problem.source }
    if check.problems.isEmpty, check.stop == nil {
      summary.repaired += 1
      var problem = problem
      for index in problem.files.indices {
        problem.files[index].message = "Before the repair: \(problem.files[index].message)"
      }
      return VerifyFinding(problem, .repaired, "Repaired. All files are intact.")
    }
    summary.damaged += 1
    let messages = check.problems.flatMap(\.files).map(\.message).joined(separator: " ")
    let reason = failure ?? check.stop?.detail ?? "see the log"
    return VerifyFinding(problem, .damaged, "\(messages) It could not be repaired: \(reason)")
  }

  /// Notes that an error ends the verification early.
  package mutating func stop() { summary.isComplete = false }

  /// - Parameter readsAll: whether every recording was to be read, and not only those of a source or a part.
  package mutating func finish(readsAll: Bool = true) {
    summary.finish(repairing: repairs.count, problems: readsAll ? seen.count : 0)
  }

  /// - Returns: nil when the recording was reported before.
  private mutating func add(_ problem: RecordingProblem) -> VerifyFinding? {
    guard seen.insert("\(problem.source)~\(problem.id)").inserted else { return nil }
    let messages =
      problem.files.isEmpty ? "No files are known." : problem.files.map(\.message).joined(separator: " ")
    switch problem.status {
    case VerifyFinding.Status.notArchived.rawValue:
      summary.notArchived += 1
      return VerifyFinding(problem, .notArchived, "It is not in the archive.")
    case VerifyFinding.Status.unreadable.rawValue:
      summary.unreadable += 1
      return VerifyFinding(problem, .unreadable, messages)
    case _ where problem.jobId == nil:
      summary.damaged += 1
      let refusal = problem.refusal.map { " It cannot be repaired: \($0)" } ?? ""
      return VerifyFinding(problem, .damaged, messages + refusal)
    default:
      repairs.append(problem)
      let action = problem.repairedFrom == "original" ? "created again from the original" : "fetched again"
      return VerifyFinding(problem, .repairing, "\(messages) It is being \(action).")
    }
  }
}
