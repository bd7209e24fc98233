import Model
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

  // MARK: Narrow terminals

  private func table() -> Table {
    var table = Table(["ID", "STARTED", "DIRECTION", "AGENT", "STATUS"], optional: ["DIRECTION", "STARTED"])
    table.add([
      "0d4f3f1a-7f0e-4d7e-9a55-1b1c8f0e7a11", "2026-11-01T10:00:00Z", "outbound", "Chloé van der Marchand", "ready",
    ])
    table.add(["b", "2026-11-02T10:00:00Z", "inbound", "Zoë", "failed"])
    return table
  }

  static let widths: [(width: Int, first: String)] = [
    (200, "0d4f3f1a-7f0e-4d7e-9a55-1b1c8f0e7a11  2026-11-01T10:00:00Z  outbound   Chloé van der Marchand  ready"),
    (95, "0d4f3f1a-7f0e-4d7e-9a55-1b1c8f0e7a11  2026-11-01T10:00:00Z  outbound   Chloé van der M…  ready"),
    (80, "0d4f3f1a-7f0e-4d7e-9a55-1b1c8f0e7a11  2026-11-01T10:00:00Z  Chloé van d…  ready"),
    (60, "0d4f3f1a-7f0e-4d7e-9a55-1b1c8f0e7a11  Chloé van der…  ready"),
    (20, "0d4f3f1a-7f0e-4d7e-9a55-1b1c8f0e7a11  Chloé v…  ready"),
  ]

  @Test(arguments: widths)
  func `a table fits the terminal, and ids stay whole`(width: Int, first: String) {
    var table = table()
    let lines = table.takeLines(width: width)
    #expect(lines[1] == first)
    if width > 54 { #expect(lines.allSatisfy { displayWidth(of: $0) <= width }) }
  }

  @Test func `the pages of a table have the same columns, and the headings come once`() {
    var table = table()
    let first = table.takeLines(width: 60)
    #expect(table.isEmpty)
    table.add(["c", "2026-11-03T10:00:00Z", "outbound", "A much longer name than those before", "ready"])
    #expect(first[0] == "ID" + String(repeating: " ", count: 36) + "AGENT           STATUS")
    let second = table.takeLines(width: 60)
    #expect(second == ["c" + String(repeating: " ", count: 37) + "A much longer…  ready"])
    let third = table.takeLines(width: 60)
    #expect(third == [])
    var plain = Table(["A", "B"])
    plain.add(["1", "2"])
    let heading = plain.takeLines(width: nil)
    #expect(heading == ["A  B", "1  2"])
    plain.add(["1000", "2"])
    let wider = plain.takeLines(width: nil)
    #expect(wider == ["1000  2"])
  }

  @Test func `characters of double width count twice`() {
    #expect(displayWidth(of: "日本 x") == 6)
    #expect(shortened("日本語 support", to: 6) == "日本…" && shortened("short", to: 5) == "short")
    #expect(shortened("longer", to: 5) == "long…" && displayWidth(of: "é🎧") == 3)
  }

  @Test func `durations have hours when they need them`() {
    #expect([0, 7, 61, 3599, 3600, 36_061].map(clock) == ["0:00", "0:07", "1:01", "59:59", "1:00:00", "10:01:01"])
  }

  @Test func `control characters in a cell are shown by name and counted`() {
    let table = Table(rows: [["a\u{1B}[2J", "x\u{202E}y"], ["b", "c"]])
    #expect(table.lines == ["a[U+001B][2J  x[U+202E]y", "b             c"])
  }

  @Test func `JSON is one line with sorted keys and plain slashes`() throws {
    #expect(try Terminal.jsonLine(["b": "/play/x", "a": "1\n2"]) == #"{"a":"1\n2","b":"/play/x"}"#)
  }

  @Test func `nouns agree with their number`() {
    #expect([0, 1, 2].map { counted($0, "job") } == ["0 jobs", "1 job", "2 jobs"])
    #expect(counted(2, "recording or file", plural: "recordings or files") == "2 recordings or files")
  }
}
