import CXone
import Catalog
import Model
import Pipeline
import Testing

@Suite struct BackfillCountTests {
  private typealias Row = BackfillCount.ListedRow

  private let start = Instant(milliseconds: 1_000_000)
  private var period: Period { Period(start: start, end: Instant(milliseconds: 2_000_000)) }

  private func second(_ number: Int64, _ milliseconds: Int64 = 0) -> Instant {
    Instant(milliseconds: (1000 + number) * 1000 + milliseconds)
  }

  private func calls(_ times: Instant?..., kind: Row.Kind = .wanted) -> [Row] {
    times.map { Row(startTime: $0, key: "call", kind: kind) }
  }

  private func unidentified(_ time: Instant? = nil, _ key: String = "row") -> Row {
    let row = UnidentifiedRow(position: 1, reason: "The row has no ID.")
    return Row(startTime: time, key: key, kind: .unidentified(UnidentifiedRows([row], in: period)))
  }

  @Test func `calls of the second in which a page ends are counted with the next page`() {
    var count = BackfillCount(from: start)
    #expect(count.take(calls(second(1), second(2), second(2)), of: period, isLast: false).found == 1)
    #expect(count.reached == second(2))
    #expect(count.take(calls(second(2, 500), second(2, 900)), of: period, isLast: false).found == 0)
    #expect(count.reached == second(2))
    #expect(count.take(calls(second(3), second(4)), of: period, isLast: false).found == 5)
    #expect(count.take(calls(second(4), second(9)), of: period, isLast: true).found == 3)
    #expect(count.reached == period.end)
  }

  @Test func `a page without a wanted call advances the position, and a page without a start does not`() {
    var count = BackfillCount(from: start)
    #expect(count.take(calls(second(5), kind: .unwanted), of: period, isLast: false).found == 0)
    #expect(count.reached == second(5))
    #expect(count.take(calls(nil, nil), of: period, isLast: false).found == 0)
    #expect(count.reached == second(5))
    #expect(count.take([], of: period, isLast: true).found == 2)
  }

  @Test func `calls out of order, or beyond the span, do not change the direction`() {
    var count = BackfillCount(from: start)
    _ = count.take(calls(second(7)), of: period, isLast: false)
    _ = count.take(calls(second(3)), of: period, isLast: false)
    #expect(count.reached == second(7))
    _ = count.take(calls(Instant(milliseconds: .max)), of: period, isLast: false)
    #expect(count.reached == period.end)
  }

  @Test func `a row between two seconds is counted at once and remembered`() {
    var count = BackfillCount(from: start)
    let page = calls(second(1)) + [unidentified()] + calls(second(5, 300))
    let step = count.take(page, of: period, isLast: false)
    #expect((step.found, step.unidentified.count, step.countedRows) == (1, 1, ["row"]))
    var resumed = BackfillCount(from: step.reached, counted: step.countedRows)
    // It is listed again, and one of the same text follows the next call.
    let again = resumed.take(
      [unidentified()] + calls(second(5, 300)) + [unidentified()] + calls(second(9)), of: period, isLast: false)
    #expect((again.found, again.unidentified.count) == (1, 1))
  }

  @Test func `a remembered row that is not listed again changes nothing`() {
    var resumed = BackfillCount(from: second(5), counted: ["row"])
    let step = resumed.take(calls(second(5, 300)) + [unidentified()], of: period, isLast: true)
    #expect((step.found, step.unidentified.count, step.countedRows) == (1, 1, []))
  }

  @Test func `a run that stops before the next second keeps what is remembered`() {
    var count = BackfillCount(from: second(5), counted: ["row"])
    let step = count.take([unidentified()] + calls(second(5, 300)), of: period, isLast: false)
    #expect((step.reached, step.unidentified.count, step.countedRows) == (second(5), 0, ["row"]))
  }

  /// A list in which some rows do not report the start of their call, as the platform orders it.
  private func list(_ seed: UInt64) -> [(at: Instant, row: Row)] {
    var state = seed
    func random(_ limit: UInt64) -> UInt64 {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return (state >> 33) % limit
    }
    var at: Int64 = 1_000_000
    return (0..<40).map { number in
      at += Int64(random(3) == 0 ? 0 : random(1500))
      let time = Instant(milliseconds: at)
      switch random(4) {
      case 0: return (time, unidentified(nil, random(2) == 0 ? "null" : "row-\(number)"))
      case 1: return (time, unidentified(time))
      case 2 where random(3) == 0: return (time, Row(startTime: nil, key: "call-\(number)", kind: .wanted))
      default: return (time, Row(startTime: time, key: "call-\(number)", kind: .wanted))
      }
    }
  }

  @Test(arguments: 1...60 as ClosedRange<UInt64>, [1, 2, 3, 10])
  func `every row is counted once, wherever runs stop`(seed: UInt64, pageSize: Int) {
    let all = list(seed)
    let expected = all.count {
      if case .unidentified = $0.row.kind { true } else { false }
    }
    var (found, unidentified) = (0, 0)
    var count = BackfillCount(from: start)
    var stored = BackfillStep(reached: start, found: 0)
    var pages = 0
    run: while stored.reached < period.end, pages < 1000 {
      count = BackfillCount(from: stored.reached, counted: stored.countedRows)
      let listed = all.filter { $0.at >= stored.reached }.map(\.row)
      // Each run has one page more than the one before, so that every run gets further.
      let limit = pages / 5 + 1
      for offset in stride(from: 0, to: max(listed.count, 1), by: pageSize).prefix(limit) {
        let page = Array(listed.dropFirst(offset).prefix(pageSize))
        stored = count.take(page, of: period, isLast: offset + pageSize >= listed.count)
        found += stored.found
        unidentified += stored.unidentified.count
        pages += 1
        if stored.reached == period.end { break run }
      }
    }
    #expect(stored.reached == period.end)
    #expect((found, unidentified) == (all.count - expected, expected))
  }

  @Test func `the rows of a page are in the order of the list`() throws {
    let recordings = try ["a", "b", "c"].map { try call($0, at: "2026-01-15T10:00:00Z") }
    let page = ListPage(
      recordings: recordings,
      unidentified: [1, 3, 4, 7].map { UnidentifiedRow(position: $0, reason: "", fingerprint: "\($0)") },
      nextCursor: nil)
    let rows = BackfillCount.rows(of: page, after: 100, in: period) { $0.id.rawValue != "b" }
    #expect(rows.map(\.key) == ["1", "a", "3", "4", "b", "c", "7"])
    var count = BackfillCount(from: start)
    let step = count.take(rows, of: period, isLast: true)
    #expect(step.found == 2 && step.unidentified.first.map(\.position) == [101, 103, 104, 107])
  }
}
