package import Model

/// Joins the job `j`, which may be absent, to a recording `r`.
let withJob: SQL = "LEFT JOIN job j ON j.kind = 'ingest' AND j.source = r.source AND j.platform_id = r.platform_id"

/// A recording in a list, with the progress of its job.
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
    if recording.archivedAt != nil { return recording.damage == nil ? .ready : .damaged }
    return switch runState {
    case .failed, .cancelled: .failed
    case .idle, .leased, .waiting: .underway
    case .done, nil: .known
    }
  }
}

extension Catalog {
  /// The visible recordings that match a filter, newest call first. Closed rows are included only where the filter
  /// compares no facts.
  ///
  /// - Parameter limit: the maximum number of rows; request one more to learn whether there are older ones.
  package func recordings(
    matching filter: RecordingFilter, visibleTo visibility: Visibility, after cursor: ListCursor?, limit: Int
  ) async throws(TapedeckError) -> [ListedRecording] {
    let list = RecordingList(filter: filter, visibility: visibility, cursor: cursor, limit: limit, order: .newestFirst)
    return try await database.read { db in try list.load(db) }
  }

  /// The recordings before and after one in the list that a filter gives, newest call first. Closed rows are left out.
  package func neighbours(
    of cursor: ListCursor, matching filter: RecordingFilter, visibleTo visibility: Visibility
  ) async throws(TapedeckError) -> (newer: RecordingKey?, older: RecordingKey?) {
    var open = visibility
    open.listedPrivacy = visibility.factsPrivacy
    let lists = [ListOrder.oldestFirst, .newestFirst].map {
      RecordingList(filter: filter, visibility: open, cursor: cursor, limit: 1, order: $0)
    }
    return try await database.read { db in
      (try lists[0].load(db).first?.recording.key, try lists[1].load(db).first?.recording.key)
    }
  }
}

private enum ListOrder: Sendable { case newestFirst, oldestFirst }

/// One page of a list. Each statement reads an index from one end and stops when the page is full. Where no
/// index holds the matching rows in order, the page is merged from several statements.
private struct RecordingList: Sendable {
  let filter: RecordingFilter
  let visibility: Visibility
  /// The row that the page follows, in `order`.
  let cursor: ListCursor?
  let limit: Int
  let order: ListOrder

  /// What must be visible of each row.
  private var extent: Visibility.Extent { filter.comparesFacts ? .facts : .existence }

  func load(_ db: any Connection) throws(TapedeckError) -> [ListedRecording] {
    guard let ceiling = visibility.privacyCeiling(showing: extent) else { return [] }
    let privacies = Privacy.allCases.filter { $0 <= ceiling && (filter.privacy ?? $0) == $0 }
    guard !privacies.isEmpty else { return [] }
    if let text = filter.text { return try search(for: text, db) }
    if let agent = filter.agent {
      guard let names = try db.agentNames(matching: agent) else {
        return try rows(from: "recording r", where: byAgent + byPrivacy + byStatus, db)
      }
      let parts = ["r.agent_id = \(agent)"] + names.map { "r.agent_name = \($0)" as SQL }
      return try first(of: parts, and: byPrivacy + byStatus, db)
    }
    guard privacies != Privacy.allCases || filter.status != nil else {
      return try rows(from: "recording r", where: [], db)
    }
    if filter.status == .damaged { return try rows(from: "recording r", where: byPrivacy + byStatus, db) }
    // `recording_by_status` is in order of time only within one privacy and one status.
    let statuses = filter.status.map { [$0] } ?? ListedStatus.stored
    let parts = privacies.flatMap { privacy in
      statuses.map { status in "r.privacy = \(privacy) AND r.listed_status = \(status.rawValue)" as SQL }
    }
    return try first(of: parts, and: byDamage, db)
  }

  /// The recordings with all the words, and the one whose ID is the text, since an ID may contain no word at all.
  private func search(for text: String, _ db: any Connection) throws(TapedeckError) -> [ListedRecording] {
    let others = byAgent + byPrivacy + byStatus
    let named = try rows(from: "recording r", where: others + ["r.platform_id = \(text)"], db)
    // Bounded, because each short word may match every row.
    let words = Array(SearchWords.words(of: text).prefix(16))
    guard !words.isEmpty, let first = try firstWeek(db) else { return named }
    let runs = SearchWords.numbers(in: words)
    // Each run of digits is searched as words and as one number.
    let alternatives = [words] + (runs.isEmpty ? [] : [TextSearch.joining(runs, of: words)])
    var conditions = others
    if visibility.showsAddresses {
      conditions += runs.map { TextSearch.isOneNumber(Array(words[$0])) }
    } else {
      conditions.append(SQL.any(alternatives.map(TextSearch.occurOutsideAddresses)))
    }

    // The first week fills most pages. Words that do not fill a page in five weeks are rare enough to read all matches.
    var found: [ListedRecording] = []
    for span in spans(from: first) {
      found += try rows(from: TextSearch.matches(alternatives, weeks: span, in: db.dialect), where: conditions, db)
      if found.count >= limit || reachesEnd(span) { return merged(named + found) }
    }
    let rest: SQL =
      switch order {
      case .newestFirst: "r.called_at < \(TextSearch.start(ofWeek: max(0, first - 4)))"
      case .oldestFirst: "r.called_at >= \(TextSearch.start(ofWeek: first + 5))"
      }
    found += try rows(
      from: TextSearch.matches(alternatives, weeks: nil, in: db.dialect), where: conditions + [rest], db)
    return merged(named + found)
  }

  /// The first week of a search, and the four weeks that follow it in the order of the list.
  private func spans(from first: Int64) -> [ClosedRange<Int64>] {
    switch order {
    case .newestFirst: first == 0 ? [0...0] : [first...first, max(0, first - 4)...(first - 1)]
    case .oldestFirst: [first...first, (first + 1)...(first + 4)]
    }
  }

  /// Whether no later week of the list can be in the interval of the filter.
  private func reachesEnd(_ weeks: ClosedRange<Int64>) -> Bool {
    switch order {
    case .newestFirst:
      TextSearch.start(ofWeek: weeks.lowerBound) <= filter.from ?? Instant(milliseconds: .min)
    case .oldestFirst: filter.to.map { TextSearch.start(ofWeek: weeks.upperBound + 1) >= $0 } ?? false
    }
  }

  /// The week of the first recording in the interval of the page; nil when there is none.
  private func firstWeek(_ db: any Connection) throws(TapedeckError) -> Int64? {
    let conditions = SQL.all(byTime)
    return try db.row(
      "SELECT r.called_at FROM recording r WHERE \(conditions) ORDER BY \(sorting) LIMIT 1"
    )
    .map { row throws(TapedeckError) in TextSearch.week(of: try row.instant("called_at")) }
  }

  // MARK: Conditions

  /// For rows that are found in another way than by their agent; `coalesce` keeps databases from using an index.
  private var byAgent: [SQL] {
    guard let agent = filter.agent else { return [] }
    let names: SQL = "SELECT n.name FROM agent_name n WHERE \(AgentNames.match(agent))"
    return ["(coalesce(r.agent_id, '') = \(agent) OR coalesce(r.agent_name, '') IN (\(names)))"]
  }
  private var byPrivacy: [SQL] { filter.privacy.map { ["r.privacy = \($0)"] } ?? [] }
  private var byStatus: [SQL] {
    switch filter.status {
    case nil: []
    // The inner query reads the small index of damaged recordings.
    case .damaged: ["r.id IN (SELECT d.id FROM recording d WHERE d.damage IS NOT NULL)"]
    case let status?: ["r.listed_status = \(status.rawValue)"] + byDamage
    }
  }

  /// Leaves damaged recordings out of the ready ones, except where their damage is not visible.
  private var byDamage: [SQL] {
    guard filter.status == .ready else { return [] }
    let isVisible = SQL.all(visibility.conditions(showing: .facts))
    return ["CASE WHEN r.damage IS NULL THEN 1 WHEN \(isVisible) THEN 0 ELSE 1 END = 1"]
  }

  private var byTime: [SQL] {
    var conditions: [SQL] = []
    if let from = filter.from { conditions.append("r.called_at >= \(from)") }
    if let to = filter.to { conditions.append("r.called_at < \(to)") }
    if let cursor {
      // The first comparison follows from the second, but SQLite uses only the first to seek in the index.
      switch order {
      case .newestFirst:
        conditions.append("r.called_at <= \(cursor.at) AND (r.called_at, r.id) < (\(cursor.at), \(cursor.id))")
      case .oldestFirst:
        conditions.append("r.called_at >= \(cursor.at) AND (r.called_at, r.id) > (\(cursor.at), \(cursor.id))")
      }
    }
    return conditions
  }

  private var sorting: SQL {
    switch order {
    case .newestFirst: "r.called_at DESC, r.id DESC"
    case .oldestFirst: "r.called_at, r.id"
    }
  }

  // MARK: Pages

  /// One page, merged from the first rows of each of the parts.
  private func first(
    of parts: [SQL], and others: [SQL], _ db: any Connection
  ) throws(TapedeckError) -> [ListedRecording] {
    var found: [ListedRecording] = []
    for part in parts {
      var conditions = [part] + others
      // Rows after the last of a full page are not needed.
      if found.count == limit, let last = found.last?.recording.sortedAt {
        conditions.append(order == .newestFirst ? "r.called_at >= \(last)" : "r.called_at <= \(last)")
      }
      found += try rows(from: "recording r", where: conditions, db)
      if parts.count > 1 { found = merged(found) }
    }
    return found
  }

  /// The first rows in order, without duplicates.
  private func merged(_ rows: [ListedRecording]) -> [ListedRecording] {
    var seen = Set<Int64>()
    let once = rows.filter { seen.insert($0.recording.id).inserted }.sorted { left, right in
      let (left, right) = ((left.recording.sortedAt, left.recording.id), (right.recording.sortedAt, right.recording.id))
      return order == .newestFirst ? left > right : left < right
    }
    return Array(once.prefix(limit))
  }

  /// At most a page of visible rows, in order. The inner query sorts IDs and times only, since rows may be large.
  private func rows(
    from source: SQL, where conditions: [SQL], _ db: any Connection
  ) throws(TapedeckError) -> [ListedRecording] {
    var conditions = conditions + byTime + ["r.tombstoned_at IS NULL"] + visibility.conditions(showing: extent)
    if let source = filter.source { conditions.append("r.source = \(source)") }
    if let direction = filter.direction { conditions.append("r.direction = \(direction)") }
    let rows = try db.rows(
      """
      SELECT r.*, \(isAcceptedColumn), j.stage AS job_stage, j.run_state AS job_state, j.failure_message AS job_failure
      FROM (
        SELECT r.id AS page_id FROM \(source) WHERE \(SQL.all(conditions))
        ORDER BY \(sorting) LIMIT \(limit)) page
      JOIN recording r ON r.id = page_id
      \(withJob)
      ORDER BY \(sorting)
      """)
    return try rows.map { row throws(TapedeckError) in
      ListedRecording(
        recording: try RecordingRow(row), stage: row.optionalValue("job_stage", as: Stage.self),
        runState: row.optionalValue("job_state", as: RunState.self), failureMessage: row.optionalText("job_failure"))
    }
  }
}
