import Model
import Testing

@Suite struct RequestHistoryTests {
  let start = Instant(milliseconds: 1_768_478_400_000)

  @Test func `counts are kept per minute for one hour`() {
    var history = RequestHistory()
    for minute in 0..<90 { history.note(requests: 1, refused: 2, retries: 3, now: start + .seconds(minute * 60)) }
    let now = start + .seconds(89 * 60)
    #expect(history.counts(minutes: 60, now: now) == .init(requests: 60, refused: 120, retries: 180))
    #expect(history.counts(minutes: 5, now: now) == .init(requests: 5, refused: 10, retries: 15))
    #expect(history.counts(minutes: 60, now: now + .seconds(30 * 60)).requests == 30)
    #expect(history.counts(minutes: 60, now: now + .seconds(3600)).requests == 0)
  }

  @Test func `the last minute is a sliding window`() {
    var history = RequestHistory()
    history.note(requests: 60, now: start + .seconds(30))
    #expect(history.requestsInLastMinute(now: start + .seconds(59)) == 60)
    #expect(history.requestsInLastMinute(now: start + .seconds(75)) == 45)
    history.note(requests: 10, now: start + .seconds(75))
    #expect(history.requestsInLastMinute(now: start + .seconds(90)) == 40)
    #expect(history.requestsInLastMinute(now: start + .seconds(180)) == 0)
  }

  @Test func `a clock that is set by years clears the counts`() {
    var history = RequestHistory()
    for milliseconds in [0, Int64.max, .min, -1, 1_768_478_400_000] {
      history.note(requests: 1, now: Instant(milliseconds: milliseconds))
      #expect(history.counts(minutes: 60, now: Instant(milliseconds: milliseconds)).requests >= 1)
    }
    history.note(requests: 1, now: start)
    // After a small step back, counting continues in the latest minute.
    history.note(requests: 1, now: start + .seconds(-90))
    #expect(history.counts(minutes: 1, now: start).requests >= 2)
  }
}
