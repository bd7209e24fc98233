/// Follows a list page by page. Notices one that does not end (a cursor that was seen before, page after page without a
/// recording, page after page of recordings that were listed before), and one that is not complete.
package struct ListProgress: Sendable {
  private var seen: Set<String> = []
  /// The hashes of the listed IDs; a collision makes the listing fail, and is too rare to matter.
  private var listed: Set<Int> = []
  private var emptyPages = 0
  private var rowCount = 0
  private var pageCount = 0
  /// The smallest numbers that any page reports, because calls can be added while the list is read.
  private var expectedRows: Int?
  private var expectedPages: Int?
  private var unknown: [String] = []
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

  /// Counts a page after `follow`. Rows of recordings that an earlier page has do not count, because they may have
  /// moved to this page in the place of others.
  ///
  /// - Parameters:
  ///   - ids: of the rows that name a recording.
  ///   - unidentified: the number of the other rows.
  /// - Throws: `platformProtocol` for the last page of a list that is incomplete, or may be, as its pages report.
  package mutating func count(
    _ ids: [String], unidentified: Int, notes: ListNotes, isLast: Bool
  ) throws(TapedeckError) {
    let hashes = ids.map(\.hashValue)
    rowCount += hashes.count { !listed.contains($0) } + unidentified
    listed.formUnion(hashes)
    pageCount += 1
    // A smaller number than was already counted is not that of the whole list.
    if let rows = notes.rows, rows >= rowCount { expectedRows = min(expectedRows ?? rows, rows) }
    if let pages = notes.pages, pages >= pageCount { expectedPages = min(expectedPages ?? pages, pages) }
    for name in notes.unknown where unknown.count < 10 && !unknown.contains(name) { unknown.append(name) }
    guard isLast else { return }
    if notes.continues {
      throw TapedeckError(
        .platformProtocol,
        "The platform says that its list of recordings continues, but gives no cursor for the next page.")
    }
    if !unknown.isEmpty {
      let names = unknown.map { "'\($0)'" }.joined(separator: ", ")
      throw TapedeckError(
        .platformProtocol,
        """
        The platform's list of recordings has members or headers that report a problem or a smaller range than was \
        requested, or that Tapedeck does not know: \(names). The list may be incomplete. If they do not affect whether \
        the list is complete, name them in CXONE_IGNORED_MEMBERS.
        """)
    }
    try require(rowCount, of: expectedRows, "rows")
    try require(pageCount, of: expectedPages, "pages")
  }

  private func require(_ count: Int, of expected: Int?, _ name: String) throws(TapedeckError) {
    guard let expected, expected > count else { return }
    throw TapedeckError(
      .platformProtocol,
      "The platform's list of recordings ends early: it reports \(expected) \(name) but has \(count).")
  }

  /// Records the cursor that a page names as the next one, and the IDs of the recordings of the page.
  ///
  /// - Throws: `platformProtocol` when following the cursor would not end.
  package mutating func follow(_ cursor: String, after ids: [String]) throws(TapedeckError) {
    emptyPages = ids.isEmpty ? emptyPages + 1 : 0
    let isNew = ids.contains { !listed.contains($0.hashValue) }
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
