import Catalog
import Testing

@Suite struct LookUpMemoryTests {
  private let memory = QueryCache()
  private let question = CachedQuery("name of", 7)

  /// The result of a query while the database has `truth`.
  private func answer(while truth: String) -> String { memory.answer(to: question) { truth } }

  @Test func `a result is cached until the next commit`() {
    #expect(answer(while: "old") == "old")
    #expect(answer(while: "new") == "old")
    memory.committing()
    memory.committed()
    #expect(answer(while: "new") == "new")
  }

  @Test func `during a commit, no cached result is returned`() {
    #expect(answer(while: "old") == "old")
    memory.committing()
    #expect(answer(while: "new") == "new")
    #expect(answer(while: "newer") == "newer", "and nothing is remembered, since it may be of before it too")
    memory.committed()
    #expect(answer(while: "newest") == "newest")
    #expect(answer(while: "later") == "newest")
  }

  @Test func `a result that was read during a commit is not cached`() {
    let found = memory.answer(to: question) {
      memory.committing()
      memory.committed()
      return "old"
    }
    #expect(found == "old")
    #expect(answer(while: "new") == "new")
  }
}
