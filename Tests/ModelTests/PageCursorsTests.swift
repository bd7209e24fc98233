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
