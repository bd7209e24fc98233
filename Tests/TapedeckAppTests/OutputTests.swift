import TapedeckApp
import Testing

@Suite struct OutputTests {
  @Test func `columns are as wide as their widest cell`() {
    var table = Table(["ID", "NAME", "LAST"])
    table.add(["1", "a long name", "x"])
    table.add(["1000", "", ""])
    #expect(table.lines == ["ID    NAME         LAST", "1     a long name  x", "1000"])
  }

  @Test func `a row is one line whatever its cells contain`() {
    let table = Table(rows: [["a\nb\r\nc\td", "e"], ["f", "g"]])
    #expect(table.lines == ["a b c d  e", "f        g"])
  }

  @Test func `facts without a value are left out`() {
    let table = Table(facts: [("status", "ready"), ("agent", nil), ("skill", ""), ("id", "x")])
    #expect(table.lines == ["status  ready", "id      x"])
  }

  @Test func `control characters are replaced`() {
    #expect(
      Terminal.readable("a\u{1B}[2Jb\u{9B}c\u{202E}d\u{2066}e\u{0}")
        == "a\u{FFFD}[2Jb\u{FFFD}c\u{FFFD}d\u{FFFD}e\u{FFFD}")
    #expect(Terminal.readable("José 🎧\tx\n") == "José 🎧\tx\n")
  }

  @Test func `JSON is one line with sorted keys and plain slashes`() throws {
    #expect(try Terminal.jsonLine(["b": "/play/x", "a": "1\n2"]) == #"{"a":"1\n2","b":"/play/x"}"#)
  }

  @Test func `nouns agree with their number`() {
    #expect([0, 1, 2].map { counted($0, "job") } == ["0 jobs", "1 job", "2 jobs"])
    #expect(counted(2, "recording or file", plural: "recordings or files") == "2 recordings or files")
  }
}
