import Model
import Testing

@Suite struct PageCursorsTests {
  /// The number of cursors that are followed before the error; `ids` gives the recordings of the page at an index.
  private func followed(
    _ cursors: [String], in pages: PageCursors = PageCursors(), ids: (Int) -> [String] = { ["call-\($0)"] }
  ) -> Int? {
    var pages = pages
    for (index, cursor) in cursors.enumerated() {
      do { try pages.follow(cursor, after: ids(index)) } catch {
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
    #expect(followed(cursors, in: PageCursors(maxPages: 50)) == 49)
  }

  @Test func `pages without recordings are followed for a while`() throws {
    let cursors = (0..<200).map { "\($0)" }
    #expect(followed(cursors) { _ in [] } == 99)
    var pages = PageCursors(maxEmptyPages: 3)
    for (index, count) in [0, 0, 1, 0, 0, 1].enumerated() {
      try pages.follow("\(index)", after: count == 0 ? [] : ["call-\(index)"])
    }
  }

  @Test(
    arguments: [
      ([(2, ListExtent(rows: 3)), (1, ListExtent(rows: 3))], true),
      ([(2, ListExtent(rows: 4)), (1, ListExtent())], false),
      // A call was added, or removed, while the list was read.
      ([(2, ListExtent(rows: 3)), (1, ListExtent(rows: 4))], true),
      ([(2, ListExtent(rows: 4)), (1, ListExtent(rows: 3))], true),
      ([(2, ListExtent(rows: 2)), (1, ListExtent(rows: 1))], true), ([(0, ListExtent(rows: 1))], false),
      ([(0, ListExtent(pages: 1, page: 0))], true), ([(0, ListExtent(pages: 2, page: 1))], false),
      ([(1, ListExtent(pages: 2)), (1, ListExtent(pages: 2))], true), ([(1, ListExtent(pages: 3, page: 3))], true),
      ([(1, ListExtent(rows: -1, pages: 0))], true),
    ] as [([(Int, ListExtent)], Bool)])
  func `the last page is an error when pages report more`(list: [(Int, ListExtent)], isWhole: Bool) {
    var pages = PageCursors()
    var isComplete = true
    for (index, page) in list.enumerated() {
      do { try pages.count(page.0, of: page.1, isLast: index == list.count - 1) } catch {
        #expect(error.code == .platformProtocol && index == list.count - 1)
        isComplete = false
      }
    }
    #expect(isComplete == isWhole)
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
