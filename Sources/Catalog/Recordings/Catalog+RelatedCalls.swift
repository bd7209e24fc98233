package import Model

/// The other recordings of a call that was transferred so often that the platform gave it another master contact.
package struct RelatedCalls: Sendable, Equatable {
  /// Those that the recording continues.
  package var before: [RecordingKey] = []
  /// Those in which it goes on.
  package var after: [RecordingKey] = []

  package init() {}
}

extension Catalog {
  /// The recordings that a call continues and in which it goes on, of those whose facts an identity may see.
  package func relatedCalls(
    of recording: RecordingRow, visibleTo visibility: Visibility
  ) async throws(TapedeckError) -> RelatedCalls {
    let (facts, source) = (recording.facts, recording.key.source)
    // Only rows of legs report transfers.
    guard facts.hasLegs else { return RelatedCalls() }
    let gap = PlatformRecording.transferGap
    return try await database.read { db in
      func isVisible(_ other: RecordingRow) -> Bool { visibility.extent(of: other.facts, from: source) == .facts }
      var related = RelatedCalls()
      if let end = facts.endTime {
        let next = try db.recordings(
          of: source, "r.called_at >= \(end + gap * -1) AND r.called_at <= \(end + gap)")
        related.after = next.filter { facts.goesOn(in: $0.facts) && isVisible($0) }.map(\.key)
      }
      if let start = facts.startTime {
        let previous = try db.recordings(
          of: source, "r.ended_at >= \(start + gap * -1) AND r.ended_at <= \(start + gap)")
        related.before = previous.filter { $0.facts.goesOn(in: facts) && isVisible($0) }.map(\.key)
      }
      return related
    }
  }
}

extension Connection {
  fileprivate func recordings(of source: SourceID, _ condition: SQL) throws(TapedeckError) -> [RecordingRow] {
    var recordings: [RecordingRow] = []
    let rows = try rows(
      """
      SELECT r.*, \(isAcceptedColumn) FROM recording r WHERE r.source = \(source) AND \(condition)
      ORDER BY r.called_at, r.id
      """)
    for row in rows { recordings.append(try RecordingRow(row)) }
    return recordings
  }
}
