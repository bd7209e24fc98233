import Model
import Testing
import Webhooks

@Suite struct WebhookScheduleTests {
  @Test func `the published delays apply, varied by up to a tenth`() throws {
    let published = [0, 5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400]
    for (attempt, seconds) in published.enumerated() {
      let expected = Double(seconds)
      let least = try #require(WebhookSchedule.delay(attempt: attempt, random: 0)).inSeconds
      let most = try #require(WebhookSchedule.delay(attempt: attempt, random: 0.999_999)).inSeconds
      #expect(abs(least - expected * 0.9) < 0.001)
      #expect(abs(most - expected * 1.1) < 0.1)
    }
  }

  @Test func `there is no attempt after the last one`() {
    #expect(WebhookSchedule.delay(attempt: 10, random: 0) == nil)
    #expect(WebhookSchedule.delay(attempt: -1, random: 0) == nil)
  }

  @Test func `a longer delay asked for by the receiver applies`() {
    #expect(WebhookSchedule.delay(attempt: 1, random: 0.5, notBefore: .seconds(60)) == .seconds(60))
    #expect(WebhookSchedule.delay(attempt: 1, random: 0.5, notBefore: .seconds(1)) == .seconds(5))
  }
}
