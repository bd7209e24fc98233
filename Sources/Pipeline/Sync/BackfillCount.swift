package import CXone
package import Catalog
package import Model

/// Counts the rows of a backfill's lists, each once, although a resumed run lists again the second in which the last
/// one stopped.
///
/// A row with a start time is counted when all of its second is listed. A row without one may belong to any second
/// between its neighbours: if a resumed run may list it again, it is counted and remembered.
package struct BackfillCount {
  /// A row of the platform's list.
  package struct ListedRow {
    package enum Kind {
      /// A recording that matches the filter.
      case wanted
      case unwanted
      case unidentified(UnidentifiedRows)
    }

    /// Nil where the row does not report it.
    package var startTime: Instant?
    /// Equal for the same row in two lists.
    package var key: String
    package var kind: Kind

    package init(startTime: Instant?, key: String, kind: Kind) {
      self.startTime = startTime
      self.key = key
      self.kind = kind
    }
  }

  /// A row that is not counted yet, or that may be listed again.
  private struct Waiting {
    var row: ListedRow
    /// The start times of the rows before and after it that report one.
    var after: Instant
    var before: Instant?
    var isCounted: Bool
  }

  /// Everything before this is listed and counted; a resumed run begins here.
  package private(set) var reached: Instant
  private var waiting: [Waiting] = []
  /// The keys of the rows without a start time that are counted and may be listed again from `reached` on.
  private var counted: [String]
  /// Those of them that this run has not listed yet; empty after the first row with a start time.
  private var expected: [String]
  private var latest: Instant

  /// - Parameter counted: the `countedRows` of the last step before the run.
  package init(from start: Instant, counted: [String] = []) {
    reached = Instant(milliseconds: start.milliseconds / 1000 * 1000)
    latest = reached
    self.counted = counted
    expected = counted
  }

  /// Adds a page of a period: its rows in the order of the list.
  package mutating func take(_ rows: [ListedRow], of period: Period, isLast: Bool) -> BackfillStep {
    for row in rows { add(row) }
    let last = min(max(rows.last { $0.startTime != nil }?.startTime ?? reached, reached), period.end)
    let next = isLast ? period.end : max(reached, Instant(milliseconds: last.milliseconds / 1000 * 1000))
    var step = BackfillStep(reached: next, found: 0, countedRows: next == reached && !isLast ? counted : [])
    var later: [Waiting] = []
    for item in waiting {
      guard isLast || (item.row.startTime ?? item.after) < next else {
        later.append(item)
        continue
      }
      if !item.isCounted { step.count(item.row) }
      let isListedAgain = (item.row.startTime ?? item.before).map { $0 >= next } ?? true
      if isListedAgain, !isLast { step.countedRows.append(item.row.key) }
    }
    waiting = later
    (reached, counted) = (next, step.countedRows)
    if isLast { (latest, expected) = (next, []) }
    return step
  }

  private mutating func add(_ row: ListedRow) {
    var item = Waiting(row: row, after: latest, before: nil, isCounted: false)
    if let start = row.startTime {
      (latest, expected) = (start, [])
      for index in waiting.indices.reversed() {
        guard waiting[index].before == nil else { break }
        waiting[index].before = start
      }
    } else if let index = expected.firstIndex(of: row.key) {
      expected.remove(at: index)
      item.isCounted = true
    }
    waiting.append(item)
  }

  /// The rows of a page in order.
  ///
  /// - Parameter offset: the number of rows on the pages before it.
  package static func rows(
    of page: ListPage, after offset: Int, in period: Period, wanted: (PlatformRecording) -> Bool
  ) -> [ListedRow] {
    var rows: [ListedRow] = []
    var unidentified = page.unidentified[...]
    func addUnidentified(isAtEnd: Bool) {
      while let row = unidentified.first, isAtEnd || row.position <= rows.count + 1 {
        unidentified.removeFirst()
        let located = UnidentifiedRows([row], after: offset, in: period)
        rows.append(ListedRow(startTime: row.startTime, key: row.fingerprint, kind: .unidentified(located)))
      }
    }
    for recording in page.recordings {
      addUnidentified(isAtEnd: false)
      let isWanted = recording.isFirstLeg && wanted(recording)
      rows.append(
        ListedRow(
          startTime: recording.startTime, key: recording.id.rawValue, kind: isWanted ? .wanted : .unwanted))
    }
    addUnidentified(isAtEnd: true)
    return rows
  }
}

extension BackfillStep {
  fileprivate mutating func count(_ row: BackfillCount.ListedRow) {
    switch row.kind {
    case .wanted: found += 1
    case .unwanted: break
    case .unidentified(let rows): unidentified.add(rows)
    }
  }
}
