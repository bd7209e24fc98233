import Model
import Testing

@Suite struct DeadlineScheduleTests {
  private let end = Instant(iso8601: "2026-01-15T10:00:00Z")!

  private func minutes(_ count: Int) -> Instant { end + .seconds(60 * count) }

  @Test func `the first request comes some time after the end of the call`() {
    let schedule = DeadlineSchedule()
    #expect(schedule.firstRequest(afterCallEndedAt: end, now: end) == minutes(10))
    #expect(schedule.firstRequest(afterCallEndedAt: end, now: minutes(10) + .milliseconds(-1)) == minutes(10))
    #expect(schedule.firstRequest(afterCallEndedAt: end, now: minutes(10)) == nil)
    #expect(schedule.firstRequest(afterCallEndedAt: end, now: minutes(100_000)) == nil)
  }

  @Test func `the time since the end doubles until the deadline, which has the last request`() {
    let schedule = DeadlineSchedule()
    var moments: [Int64] = []
    var now = minutes(10)
    while let next = schedule.nextRequest(afterCallEndedAt: end, now: now) {
      #expect(next > now)
      moments.append((next - end).milliseconds / 60_000)
      now = next
    }
    #expect(moments == [20, 40, 80, 160, 320, 640, 1280, 2560, 2880])
  }

  @Test func `moments that were missed are not made up for`() {
    let schedule = DeadlineSchedule()
    #expect(schedule.nextRequest(afterCallEndedAt: end, now: minutes(100)) == minutes(160))
    #expect(schedule.nextRequest(afterCallEndedAt: end, now: minutes(2879)) == minutes(2880))
    #expect(schedule.nextRequest(afterCallEndedAt: end, now: minutes(2880)) == nil)
  }

  @Test func `a clock that was set back does not end the wait`() {
    #expect(DeadlineSchedule().nextRequest(afterCallEndedAt: end, now: minutes(-60)) == minutes(10))
  }

  @Test func `a deadline is never before the first request, and no time is zero`() {
    let schedule = DeadlineSchedule(firstAsk: .zero, deadline: .zero)
    #expect(schedule.firstAsk == .seconds(1) && schedule.deadline == .seconds(1))
    #expect(schedule.nextRequest(afterCallEndedAt: end, now: end) == end + .seconds(1))
  }
}
