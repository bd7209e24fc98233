import Model
import TapedeckApp
import Testing

@Suite struct IngestProgressTests {
  private func item(
    _ id: String, _ bytes: Int64 = 0, of total: Int64? = nil, stage: Stage = .fetching, isRunning: Bool = true
  ) -> IngestProgress.Item {
    IngestProgress.Item(id: id, stage: stage.rawValue, isRunning: isRunning, bytes: bytes, totalBytes: total)
  }

  @Test func `the total has the bytes, the rate and the time left`() {
    var progress = IngestProgress(total: 4)
    progress.items = [item("a", 0, of: 10_000_000)]
    var lines = progress.lines(width: 100, height: 30, elapsed: .zero)
    #expect(
      lines == ["░░░░░░░░░░░░░░░░░░░░░░░░ a  fetching 0.0 of 10.0 MB", "and 3 more", "0 of 4 done"])
    progress.items = [item("b", 5_000_000, of: 10_000_000)]
    progress.archived = 1
    progress.endedBytes = 10_000_000
    lines = progress.lines(width: 100, height: 30, elapsed: .seconds(10))
    #expect(
      lines == [
        "████████████░░░░░░░░░░░░ b  fetching 5.0 of 10.0 MB", "and 2 more",
        "1 of 4 done · 15.0 MB · 1.5 MB/s · about 0:18 left",
      ])
    progress.items = []
    progress.archived = 3
    progress.failed = 1
    progress.endedBytes = 40_000_000
    lines = progress.lines(width: 100, height: 30, elapsed: .seconds(20))
    #expect(lines.last == "4 of 4 done, 1 failed · 40.0 MB · 2.5 MB/s")
  }

  @Test func `the rate is that of the last ten seconds, and what was archived before takes no time`() {
    var progress = IngestProgress(total: 12)
    progress.alreadyArchived = 8
    progress.archived = 8
    var lines: [String] = []
    for second in 0...100 {
      progress.endedBytes = Int64(second < 90 ? second : 90 + (second - 90) * 5) * 1_000_000
      if second == 50 { progress.archived = 9 }
      lines = progress.lines(width: 100, height: 30, elapsed: .seconds(second))
    }
    #expect(lines.last == "9 of 12 done · 140.0 MB · 5.0 MB/s · about 5:00 left")
  }

  @Test func `many recordings show twelve bars, those in progress first, and how many more there are`() {
    var progress = IngestProgress(total: 77)
    progress.items = (0..<64).map { item("call-\($0)", isRunning: $0 >= 60) }
    let lines = progress.lines(width: 80, height: 40, elapsed: .zero)
    #expect(lines.count == 14 && lines[12] == "and 65 more" && lines[13] == "0 of 77 done")
    #expect(lines[0].hasSuffix(" call-60  fetching") && lines[4].hasSuffix(" call-0  queued"))
    let low = progress.lines(width: 80, height: 10, elapsed: .zero)
    #expect(low.count == 8)
    let lowest = progress.lines(width: 80, height: 3, elapsed: .zero)
    #expect(lowest.first?.contains("call-60") == true)
  }

  @Test(arguments: [200, 120, 80, 60, 50, 44, 38, 37])
  func `an id is whole at any width that can hold it`(width: Int) {
    let id = "0d4f3f1a-7f0e-4d7e-9a55-1b1c8f0e7a11"
    var progress = IngestProgress(total: 2)
    progress.items = [item(id, 5_000_000, of: 10_000_000)]
    progress.endedBytes = 7_000_000
    progress.archived = 1
    let lines = progress.lines(width: width, height: 24, elapsed: .seconds(3))
    #expect(lines[0].contains(id))
    #expect(lines.allSatisfy { displayWidth(of: $0) < width }, "the last column stays free, so that no line wraps")
    #expect(lines.last?.hasPrefix("1 of 2 done") == true)
  }
}
