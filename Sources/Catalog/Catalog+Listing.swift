package import Model

/// Which recordings a list shows, and from where on.
package struct RecordingFilter: Sendable, Equatable {
  /// Whole words or their beginnings, the first 16 of them; an exact id is found too.
  package var text: String?
  package var source: SourceID?
  package var agent: String?
  package var direction: Direction?
  package var privacy: Privacy?
  package var status: ListedStatus?
  /// Half open: `from` belongs to it, `to` does not.
  package var from: Instant?
  package var to: Instant?

  package init() {}

  package var isEmpty: Bool { self == RecordingFilter() }
}

/// How far a recording is, in the words of lists.
package enum ListedStatus: String, Sendable, CaseIterable {
  case ready
  case underway = "under_way"
  case failed, known
}

/// A place between two rows of a list that is sorted by time, newest first.
package struct ListCursor: Sendable, Equatable {
  package var at: Instant
  package var id: Int64

  package init(at: Instant, id: Int64) {
    self.at = at
    self.id = id
  }

  /// The opaque form that stands in addresses.
  package var text: String { "\(String(at.milliseconds, radix: 36)).\(String(id, radix: 36))" }

  package init?(_ text: String) {
    let parts = text.split(separator: ".")
    guard parts.count == 2, let at = Int64(parts[0], radix: 36), let id = Int64(parts[1], radix: 36) else { return nil }
    self.init(at: Instant(milliseconds: at), id: id)
  }
}

/// A recording in a list, with how its job stands.
package struct ListedRecording: Sendable {
  package var recording: RecordingRow
  package var stage: Stage?
  package var runState: RunState?
  package var failureMessage: String?

  package init(recording: RecordingRow, stage: Stage?, runState: RunState?, failureMessage: String?) {
    self.recording = recording
    self.stage = stage
    self.runState = runState
    self.failureMessage = failureMessage
  }

  package var status: ListedStatus {
    if recording.archivedAt != nil { return .ready }
    return switch runState {
    case .failed, .cancelled: .failed
    case .idle, .leased, .waiting: .underway
    case .done, nil: .known
    }
  }
}

extension Catalog {
  /// Recordings, newest call first.
  ///
  /// - Parameter limit: at most this many; ask for one more to know whether there are older ones.
  package func recordings(
    matching filter: RecordingFilter, after cursor: ListCursor?, limit: Int
  ) async throws(TapedeckError) -> [ListedRecording] {
    try await database.read { db in
      var condition: SQL = "r.tombstoned_at IS NULL"
      if let source = filter.source { condition += " AND r.source = \(source)" }
      if let agent = filter.agent { condition += " AND (r.agent_id = \(agent) OR r.agent_name = \(agent))" }
      if let direction = filter.direction { condition += " AND r.direction = \(direction)" }
      if let privacy = filter.privacy { condition += " AND r.privacy = \(privacy)" }
      if let from = filter.from { condition += " AND coalesce(r.started_at, r.first_seen_at) >= \(from)" }
      if let to = filter.to { condition += " AND coalesce(r.started_at, r.first_seen_at) < \(to)" }
      if let text = filter.text {
        let match = fullTextPattern(text)
        condition +=
          match.map {
            " AND (r.platform_id = \(text) OR r.id IN (SELECT rowid FROM recording_text WHERE recording_text MATCH \($0)))"
          } ?? " AND r.platform_id = \(text)"
      }
      switch filter.status {
      case .ready: condition += " AND r.archived_at IS NOT NULL"
      case .underway: condition += " AND r.archived_at IS NULL AND j.run_state IN ('idle', 'leased', 'waiting')"
      case .failed: condition += " AND r.archived_at IS NULL AND j.run_state IN ('failed', 'cancelled')"
      case .known: condition += " AND r.archived_at IS NULL AND j.id IS NULL"
      case nil: break
      }
      if let cursor {
        // The first comparison follows from the second; with it alone the index is entered in the middle.
        condition += " AND coalesce(r.started_at, r.first_seen_at) <= \(cursor.at)"
        condition += " AND (coalesce(r.started_at, r.first_seen_at), r.id) < (\(cursor.at), \(cursor.id))"
      }
      return try db.rows(
        """
        SELECT r.*, j.stage AS job_stage, j.run_state AS job_state, j.failure_message AS job_failure
        FROM recording r LEFT JOIN job j ON j.kind = 'ingest' AND j.source = r.source AND j.platform_id = r.platform_id
        WHERE \(condition)
        ORDER BY coalesce(r.started_at, r.first_seen_at) DESC, r.id DESC LIMIT \(limit)
        """
      ).map { row in
        ListedRecording(
          recording: try RecordingRow(row), stage: row.optionalValue("job_stage", as: Stage.self),
          runState: row.optionalValue("job_state", as: RunState.self),
          failureMessage: row.optionalText("job_failure"))
      }
    }
  }
}

/// FTS5's words, each taken literally and as a prefix; nil when there is nothing to look for. Bounded, because each
/// short one may touch every row.
private func fullTextPattern(_ text: String) -> String? {
  let words = text.split { !$0.isLetter && !$0.isNumber }.prefix(16)
  return words.isEmpty ? nil : words.map { "\"\($0)\"*" }.joined(separator: " ")
}
