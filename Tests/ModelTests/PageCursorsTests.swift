import Model
import Testing

@Suite struct PageCursorsTests {
  /// The number of cursors that are followed before the error.
  private func followed(_ cursors: [String], rows: Int = 1, in pages: PageCursors = PageCursors()) -> Int? {
    var pages = pages
    for (index, cursor) in cursors.enumerated() {
      do { try pages.follow(cursor, rows: rows) } catch {
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

  @Test func `pages without rows are followed for a while`() throws {
    let cursors = (0..<200).map { "\($0)" }
    #expect(followed(cursors, rows: 0) == 99)
    var pages = PageCursors(maxEmptyPages: 3)
    for (index, rows) in [0, 0, 1, 0, 0, 1].enumerated() { try pages.follow("\(index)", rows: rows) }
  }
}
