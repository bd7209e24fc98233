import Catalog
import Testing

@Suite struct LookUpMemoryTests {
  private let memory = LookUpMemory()
  private let question = LookUp("name of", 7)

  /// What is answered while the database says `truth`.
  private func answer(while truth: String) -> String { memory.answer(to: question) { truth } }

  @Test func `an answer is remembered until something is committed`() {
    #expect(answer(while: "old") == "old")
    #expect(answer(while: "new") == "old")
    memory.committing()
    memory.committed()
    #expect(answer(while: "new") == "new")
  }

  @Test func `while others may see a commit already, nothing is answered from before it`() {
    #expect(answer(while: "old") == "old")
    memory.committing()
    #expect(answer(while: "new") == "new")
    #expect(answer(while: "newer") == "newer", "and nothing is remembered, since it may be of before it too")
    memory.committed()
    #expect(answer(while: "newest") == "newest")
    #expect(answer(while: "later") == "newest")
  }

  @Test func `what was found while something was committed is not remembered`() {
    let found = memory.answer(to: question) {
      memory.committing()
      memory.committed()
      return "old"
    }
    #expect(found == "old")
    #expect(answer(while: "new") == "new")
  }
}
