/// Notices a list of pages that does not end: a cursor that was seen before, page after page without a recording, or
/// page after page of recordings that were listed before. Also notices one that ends too early.
package struct PageCursors: Sendable {
  private var seen: Set<String> = []
  /// The hashes of the listed ids; a collision costs nothing, because only whole pages without a new id count.
  private var listed: Set<Int> = []
  private var emptyPages = 0
  private var rowCount = 0
  private var pageCount = 0
  /// The smallest numbers that any page reports, because calls can be added while the list is read.
  private var expectedRows: Int?
  private var expectedPages: Int?
  private var repeatedPages = 0
  private let maxPages: Int
  private let maxEmptyPages: Int
  /// Calls that are added while the list is read can repeat a few rows, but not page after page.
  private let maxRepeatedPages = 5

  /// - Parameter maxPages: more pages than any period has.
  package init(maxPages: Int = 20_000, maxEmptyPages: Int = 100) {
    self.maxPages = maxPages
    self.maxEmptyPages = maxEmptyPages
  }

  /// Counts a page and its rows.
  ///
  /// - Throws: `platformProtocol` for the last page of a list that has, as its pages report, more rows or pages.
  package mutating func count(_ rows: Int, of extent: ListExtent, isLast: Bool) throws(TapedeckError) {
    rowCount += rows
    pageCount += 1
    if let number = extent.rows { expectedRows = min(expectedRows ?? number, number) }
    if let number = extent.pages { expectedPages = min(expectedPages ?? number, number) }
    guard isLast else { return }
    if let expectedRows, expectedRows > rowCount {
      throw TapedeckError(
        .platformProtocol,
        "The platform's list of recordings ends early: it reports \(expectedRows) rows and has \(rowCount).")
    }
    // A platform may number smaller pages than were requested.
    let reached = max(pageCount, extent.page ?? 0)
    if let expectedPages, expectedPages > reached {
      throw TapedeckError(
        .platformProtocol,
        "The platform's list of recordings ends early: it reports \(expectedPages) pages and has \(reached).")
    }
  }

  /// Records the cursor that a page names as the next one, and the ids of the recordings of the page.
  ///
  /// - Throws: `platformProtocol` when following the cursor would not end.
  package mutating func follow(_ cursor: String, after ids: [String]) throws(TapedeckError) {
    emptyPages = ids.isEmpty ? emptyPages + 1 : 0
    let isNew = ids.reduce(false) { listed.insert($1.hashValue).inserted || $0 }
    if !ids.isEmpty { repeatedPages = isNew ? 0 : repeatedPages + 1 }
    guard seen.insert(cursor).inserted else {
      throw TapedeckError(
        .platformProtocol, "The platform's list of recordings repeats: a page names an earlier page as the next one.")
    }
    guard repeatedPages < maxRepeatedPages else {
      throw TapedeckError(
        .platformProtocol,
        "The platform's list of recordings repeats: \(repeatedPages) pages in a row have only recordings that were listed before."
      )
    }
    guard seen.count < maxPages, emptyPages < maxEmptyPages else {
      throw TapedeckError(.platformProtocol, "The platform's list of recordings does not come to an end.")
    }
  }
}
