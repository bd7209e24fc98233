import Foundation
import Model
import Testing

@Suite struct BackoffTests {
  @Test func `the wait for the platform doubles from one second up to thirty`() {
    let schedule = WaitingSchedule()
    #expect(schedule.attempts == 15)
    for attempt in 0...20 {
      let factor = pow(2, Double(attempt))
      #expect(schedule.delay(attempt: attempt, random: 0) == .seconds(min(0.5 * factor, 30)))
      #expect(schedule.delay(attempt: attempt, random: 0.5) == .seconds(min(factor, 30)))
      #expect(schedule.delay(attempt: attempt, random: 1.0.nextDown) <= .seconds(min(1.5 * factor, 30)))
    }
    #expect(schedule.delay(attempt: 4, random: 1.0.nextDown) > .seconds(23.9))
    #expect(schedule.delay(attempt: 5, random: 0) == .seconds(16))
    #expect(schedule.delay(attempt: 6, random: 0) == .seconds(30))
  }

  @Test(arguments: [0.0...0.0, 0.0...1.0, 0.5...1.5, 100.0...100.0])
  func `the wait for the platform is bounded for every number of attempts`(jitter: ClosedRange<Double>) {
    let schedule = WaitingSchedule(base: 100, jitter: jitter, cap: .seconds(86_400), attempts: 10_000)
    for attempt in [-1, 0, 15, 1023, 1024, 10_000, .max, .min] {
      for random in [0, 0.5, 1.0.nextDown] {
        let delay = schedule.delay(attempt: attempt, random: random)
        #expect(delay >= .zero && delay <= .seconds(86_400))
      }
    }
  }

  @Test func `the waiting schedule is configurable`() {
    let schedule = WaitingSchedule(base: 3, jitter: 1...1, cap: .milliseconds(4500), attempts: 2)
    #expect(schedule.delay(attempt: 0, random: 0.9) == .seconds(1))
    #expect(schedule.delay(attempt: 1, random: 0.9) == .seconds(3))
    #expect(schedule.delay(attempt: 2, random: 0.9) == .milliseconds(4500))
  }

  @Test func `a retry waits between zero and the doubled base, at most the cap`() {
    let schedule = RetrySchedule(base: .seconds(1), cap: .seconds(60), attempts: 6)
    for attempt in 0...20 {
      let longest = min(pow(2, Double(attempt)), 60)
      #expect(schedule.delay(attempt: attempt, random: 0) == .zero)
      #expect(schedule.delay(attempt: attempt, random: 0.5) == .seconds(longest / 2))
      #expect(schedule.delay(attempt: attempt, random: 1.0.nextDown) <= .seconds(longest))
    }
  }

  @Test func `the retry delay is bounded for every number of failures`() {
    let schedule = RetrySchedule(base: .seconds(3600), cap: .seconds(1_000_000), attempts: .max)
    for attempt in [-1, 40, 41, 1024, .max, .min] {
      let delay = schedule.delay(attempt: attempt, random: 1.0.nextDown)
      #expect(delay > .zero && delay <= .seconds(1_000_000))
    }
  }
}
