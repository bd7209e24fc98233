import TapedeckApp
import Testing

struct DescriptorsTests {
  @Test(arguments: [
    // Limit, open now, needed for work, wanted, and the expected number.
    (20_000, 40, 100, 10_000, 9918), (1024, 40, 100, 10_000, 430), (1024, 40, 100, 50, 50), (96, 40, 30, 10_000, 8),
    (65_536, 40, 100, 10_000, 10_000), (64, 60, 200, 10_000, 8),
  ])
  func `connections leave descriptors for other work`(limit: Int, open: Int, work: Int, wanted: Int, expected: Int) {
    #expect(Descriptors.connections(wanted: wanted, limit: limit, open: open, work: work) == expected)
  }
}
