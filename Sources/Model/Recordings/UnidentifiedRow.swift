/// A row of the platform's list that names no recording, so that nothing can be archived for it.
package struct UnidentifiedRow: Sendable, Equatable {
  /// The position in the list, counted from 1.
  package var position: Int
  /// Why it names no recording, as a sentence.
  package var reason: String

  package init(position: Int, reason: String) {
    self.position = position
    self.reason = reason
  }
}

/// Notices a list of pages that does not end: a cursor that was seen before, or page after page without a row.
package struct PageCursors: Sendable {
  private var seen: Set<String> = []
  private var emptyPages = 0
  private let maxPages: Int
  private let maxEmptyPages: Int

  /// - Parameter maxPages: more pages than any period has.
  package init(maxPages: Int = 20_000, maxEmptyPages: Int = 100) {
    self.maxPages = maxPages
    self.maxEmptyPages = maxEmptyPages
  }

  /// Takes in the cursor that a page names as the next one; `rows` is the number of rows of the page.
  ///
  /// - Throws: `platformProtocol` when following the cursor would not end.
  package mutating func follow(_ cursor: String, rows: Int) throws(TapedeckError) {
    emptyPages = rows == 0 ? emptyPages + 1 : 0
    guard seen.insert(cursor).inserted else {
      throw TapedeckError(
        .platformProtocol, "The platform's list of recordings repeats: a page names an earlier page as the next one.")
    }
    guard seen.count < maxPages, emptyPages < maxEmptyPages else {
      throw TapedeckError(.platformProtocol, "The platform's list of recordings does not come to an end.")
    }
  }
}
