import CXone
import Model
import Testing

@Suite struct TokenBucketTests {
  let start = Instant(milliseconds: 1_000_000)

  @Test func `a burst goes at once, then one request per interval`() {
    var bucket = TokenBucket(rate: 10, burst: 3, now: start)
    for _ in 0..<3 { #expect(bucket.take(now: start) == .go) }
    #expect(bucket.take(now: start) == .wait(.milliseconds(100)))
    #expect(bucket.take(now: start + .milliseconds(100)) == .go)
    #expect(bucket.take(now: start + .milliseconds(150)) == .wait(.milliseconds(50)))
  }

  @Test func `a long rest saves up no more than the burst`() {
    var bucket = TokenBucket(rate: 10, burst: 2, now: start)
    let later = start + .seconds(3600)
    #expect(bucket.take(now: later) == .go)
    #expect(bucket.take(now: later) == .go)
    #expect(bucket.take(now: later) == .wait(.milliseconds(100)))
  }

  @Test func `a rate of 0 means no limit`() {
    var bucket = TokenBucket(rate: 0, burst: 1, now: start)
    for _ in 0..<1000 { #expect(bucket.take(now: start) == .go) }
  }

  @Test func `a pause holds even without a rate, and ends`() {
    var bucket = TokenBucket(rate: 0, burst: 1, now: start)
    bucket.pause(for: .seconds(7), now: start)
    #expect(bucket.take(now: start + .seconds(2)) == .paused(.seconds(5)))
    #expect(bucket.take(now: start + .seconds(7)) == .go)
  }

  @Test func `a pause ends without a burst`() {
    var bucket = TokenBucket(rate: 10, burst: 20, now: start)
    bucket.pause(for: .seconds(7), now: start)
    #expect(bucket.take(now: start + .seconds(7)) == .wait(.milliseconds(100)))
    #expect(bucket.take(now: start + .seconds(7) + .milliseconds(100)) == .go)
  }

  @Test func `the later end of two pauses holds`() {
    var bucket = TokenBucket(rate: 0, burst: 1, now: start)
    bucket.pause(for: .seconds(9), now: start)
    bucket.pause(for: .seconds(3), now: start)
    #expect(bucket.take(now: start) == .paused(.seconds(9)))
  }

  @Test func `refusals without a figure pause longer each time, and an answer resets that`() {
    var bucket = TokenBucket(rate: 0, burst: 1, now: start)
    var now = start
    for expected in [1, 2, 4, 8, 16, 30, 30] {
      bucket.pauseAfterRefusal(now: now, random: 0.5)
      // Under way together with the first one: counts once.
      bucket.pauseAfterRefusal(now: now, random: 0.5)
      #expect(bucket.take(now: now) == .paused(.seconds(expected)))
      now = now + .seconds(expected)
    }
    bucket.accepted()
    bucket.pauseAfterRefusal(now: now, random: 0)
    #expect(bucket.take(now: now) == .paused(.milliseconds(500)))
  }

  @Test func `a clock set back stops nothing for long`() {
    var bucket = TokenBucket(rate: 10, burst: 1, now: start)
    #expect(bucket.take(now: start) == .go)
    let earlier = start + .seconds(-900)
    #expect(bucket.take(now: earlier) == .wait(.milliseconds(100)))
    #expect(bucket.take(now: earlier + .milliseconds(100)) == .go)
    bucket.pause(for: .seconds(60), now: start)
    #expect(bucket.take(now: start + .seconds(-86_400)) != .paused(.seconds(86_460)))
  }
}
