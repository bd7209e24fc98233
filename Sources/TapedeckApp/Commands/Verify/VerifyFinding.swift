/// One result of `tapedeck verify`: a recording that is not intact, or an orphan.
package struct VerifyFinding: Encodable, Sendable {
  package enum Status: String, Encodable, Sendable {
    case damaged, repairing, repaired, unreadable
    case notArchived = "not_archived"
    /// An orphan is named `stray` in JSON, because scripts read that name.
    case orphan = "stray"
  }

  private enum Subject: Sendable {
    case recording(RecordingProblem)
    case orphan(ReconcileAnswer.Orphan)
  }

  private enum Key: String, CodingKey { case status, detail }

  package let status: Status
  private let subject: Subject
  private let detail: String

  init(_ problem: RecordingProblem, _ status: Status, _ detail: String) {
    (subject, self.status, self.detail) = (.recording(problem), status, detail)
  }

  init(_ orphan: ReconcileAnswer.Orphan) {
    (subject, status) = (.orphan(orphan), .orphan)
    detail =
      "No row of the catalog refers to this file."
      + (orphan.isMoved ? " It was moved to quarantine (not in 'quarantine list')." : "")
  }

  /// The finding as a line of text.
  package var text: String {
    switch subject {
    case .recording(let problem): "\(qualifiedID(problem.id, source: problem.source)): \(detail)"
    case .orphan(let orphan): "\(orphan.object): \(detail)"
    }
  }

  package func encode(to encoder: any Encoder) throws {
    switch subject {
    case .recording(var problem):
      problem.status = status.rawValue
      try problem.encode(to: encoder)
      var container = encoder.container(keyedBy: Key.self)
      try container.encode(detail, forKey: .detail)
    case .orphan(let orphan):
      try orphan.encode(to: encoder)
      var container = encoder.container(keyedBy: Key.self)
      try container.encode(status, forKey: .status)
    }
  }
}
