/// Who goes first where work competes: for a worker, and for the platform's requests.
package enum Priority: Int64, Sendable, Codable, CaseIterable {
  /// What a person waits for, and calls that have just ended.
  case fresh = 0
  /// What fills the archive with calls of the past.
  case backfill = 1

  /// By how much later than it is a job of this priority counts as due: what falls due within it goes first, and after it
  /// nothing that is newer does.
  package var headStartOfOthers: Duration {
    switch self {
    case .fresh: .zero
    case .backfill: .seconds(600)
    }
  }

  /// The priority of the work that the current task does. As a task's own priority does, it travels with the task and
  /// everything that it starts, since it is a property of the work and not of each call.
  @TaskLocal package static var current = Priority.fresh
}
