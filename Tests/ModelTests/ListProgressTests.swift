import Model
import Testing

@Suite struct ListProgressTests {
  /// The number of cursors that are followed before the error; `ids` gives the recordings of the page at an index.
  private func followed(
    _ cursors: [String], in pages: ListProgress = ListProgress(), ids: (Int) -> [String] = { ["call-\($0)"] }
  ) -> Int? {
    var pages = pages
    for (index, cursor) in cursors.enumerated() {
      do {
        try pages.follow(cursor, after: ids(index))
        try pages.count(ids(index), unidentified: 0, notes: ListNotes(), isLast: false)
      } catch {
        #expect(error.code == .platformProtocol)
        return index
      }
    }
    return nil
  }

  @Test(arguments: [
    (["a", "a"], 1), (["a", "b", "a", "b"], 2), (["a", "b", "c", "b"], 3), (["a", "b", "c", "d", "e", "a"], 5),
  ])
  func `a cursor that was seen before ends the list`(cursors: [String], count: Int) {
    #expect(followed(cursors) == count)
  }

  @Test func `different cursors are followed up to the maximum number of pages`() {
    let cursors = (0..<60).map { "\($0)" }
    #expect(followed(cursors) == nil)
    #expect(followed(cursors, in: ListProgress(maxPages: 50)) == 49)
  }

  @Test func `pages without recordings are followed for a while`() throws {
    let cursors = (0..<200).map { "\($0)" }
    #expect(followed(cursors) { _ in [] } == 99)
    var pages = ListProgress(maxEmptyPages: 3)
    for (index, count) in [0, 0, 1, 0, 0, 1].enumerated() {
      try pages.follow("\(index)", after: count == 0 ? [] : ["call-\(index)"])
    }
  }

  @Test(
    arguments: [
      ([(["a", "b"], ListNotes(rows: 3)), (["c"], ListNotes(rows: 3))], true),
      ([(["a", "b"], ListNotes(rows: 4)), (["c"], ListNotes())], false),
      // A call was added, or removed, while the list was read.
      ([(["a", "b"], ListNotes(rows: 3)), (["c"], ListNotes(rows: 4))], true),
      ([(["a", "b"], ListNotes(rows: 4)), (["c"], ListNotes(rows: 3))], true),
      // The number of a page, not of the list.
      ([(["a", "b"], ListNotes(rows: 2)), (["c"], ListNotes(rows: 1))], true),
      ([(["a"], ListNotes(rows: 500)), (["b"], ListNotes(rows: 0))], false),
      ([(["a"], ListNotes(rows: 500)), (["b"], ListNotes(rows: 1))], false),
      // A row that moved to the next page may have replaced another; several rows of a recording on a page have not.
      ([(["a", "b"], ListNotes(rows: 3)), (["b"], ListNotes(rows: 3))], false),
      ([(["a", "a"], ListNotes(rows: 3)), (["b"], ListNotes(rows: 3))], true),
      ([([], ListNotes(rows: 1))], false), ([([], ListNotes(pages: 1))], true), ([([], ListNotes(pages: 2))], false),
      ([(["a"], ListNotes(pages: 2)), (["b"], ListNotes(pages: 2))], true), ([(["a"], ListNotes(pages: 0))], true),
      ([(["a"], ListNotes(unknown: ["x"])), (["b"], ListNotes())], false),
      ([(["a"], ListNotes(continues: true)), (["b"], ListNotes())], true),
      ([(["a"], ListNotes(continues: true))], false),
    ] as [([([String], ListNotes)], Bool)])
  func `the last page is an error when the list may be incomplete`(list: [([String], ListNotes)], isWhole: Bool) {
    var progress = ListProgress()
    var isComplete = true
    for (index, page) in list.enumerated() {
      do {
        try progress.count(page.0, unidentified: 0, notes: page.1, isLast: index == list.count - 1)
      } catch {
        #expect(error.code == .platformProtocol && index == list.count - 1)
        isComplete = false
      }
    }
    #expect(isComplete == isWhole)
  }

  @Test func `the error names what is not understood, and the setting`() throws {
    var progress = ListProgress()
    try progress.count(["a"], unidentified: 0, notes: ListNotes(unknown: ["meta.took", "x"]), isLast: false)
    do {
      try progress.count([], unidentified: 1, notes: ListNotes(unknown: ["x"]), isLast: true)
      Issue.record("no error")
    } catch {
      #expect(error.message.contains("'meta.took', 'x'. ") && error.message.contains("CXONE_IGNORED_MEMBERS"))
    }
  }

  /// How a list with new cursors repeats its recordings.
  private static let repetitions: [@Sendable (Int) -> [String]] = [
    { _ in ["a"] }, { _ in ["a", "b", "c"] }, { $0 % 2 == 0 ? ["a", "b"] : ["b", "c"] },
    { $0 < 3 ? ["\($0)"] : ["2", "0"] }, { $0 % 2 == 0 ? [] : ["a"] },
  ]

  @Test(arguments: Array(zip([5, 5, 6, 7, 11], repetitions.indices)))
  func `pages of recordings that were listed before end the list`(count: Int, repetition: Int) {
    #expect(followed((0..<200).map { "\($0)" }, ids: Self.repetitions[repetition]) == count)
  }

  @Test func `a page that repeats some recordings and adds one is followed`() {
    #expect(followed((0..<200).map { "\($0)" }) { ["a", "b", "new \($0)"] } == nil)
    // Four repeated pages, then a new one, again and again.
    #expect(followed((0..<200).map { "\($0)" }) { $0 % 5 == 0 ? ["new \($0)"] : ["new 0"] } == nil)
  }
}
