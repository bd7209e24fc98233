import Model
import Testing

@Suite struct UnidentifiedRowsTests {
  private let period = Period(start: Instant(milliseconds: 0), end: Instant(milliseconds: 86_400_000))

  private func rows(_ positions: Range<Int>, after offset: Int = 0) -> UnidentifiedRows {
    UnidentifiedRows(
      positions.map { UnidentifiedRow(position: $0, reason: "The row has no ID.") }, after: offset, in: period)
  }

  @Test(arguments: [0, 1, 20, 21, 1500]) func `all rows are counted, and the first are located`(count: Int) {
    let rows = rows(1..<(count + 1), after: 500)
    #expect(rows.count == count && rows.first.count == min(count, UnidentifiedRows.maxLocated))
    #expect(rows.first.map(\.position) == (501..<(501 + rows.first.count)).map { $0 })
    #expect(rows.first.allSatisfy { $0.listFrom == "1970-01-01T00:00:00Z" && $0.reason == "The row has no ID." })
    #expect(UnidentifiedRows(json: rows.json) == rows)
  }

  @Test func `rows of several lists are added up`() {
    var all = rows(1..<1)
    all.add(rows(1..<16))
    all.add(rows(3..<13, after: 500))
    #expect(all.count == 25 && all.first.count == 20)
    #expect(all.first[15].position == 503)
  }

  @Test(arguments: ["", "{}", "null", #"{"count":-1}"#, "[1]"]) func `other JSON counts as none`(json: String) {
    #expect(UnidentifiedRows(json: json) == UnidentifiedRows())
  }
}
