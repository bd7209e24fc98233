import Model
import Testing

@Suite struct StringCutTests {
  @Test(arguments: [
    ("", 0, ""), ("", 5, ""), ("anna", 4, "anna"), ("anna", 3, "ann"), ("anna", 0, ""), ("anna", -1, ""),
    // Two, three and four bytes each; a letter and its accent are two scalars.
    ("éé", 3, "é"), ("日本", 5, "日"), ("🎧🎧", 7, "🎧"), ("🎧", 3, ""), ("e\u{301}", 2, "e"), ("e\u{301}", 3, "e\u{301}"),
  ])
  func `a text is cut where a scalar ends`(text: String, limit: Int, kept: String) {
    #expect(Array(text.cut(toBytes: limit).utf8) == Array(kept.utf8))
  }
}
