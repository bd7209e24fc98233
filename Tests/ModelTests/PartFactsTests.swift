import Foundation
import Model
import Testing

struct PartFactsTests {
  private func audible(_ stages: MediaStage...) -> [ClosedRange<Double>] {
    PartFacts(stages: stages).audibleStages.map { $0.start.inSeconds...$0.end.inSeconds }
  }

  private func stage(_ kind: MediaStage.Kind, _ start: Int, _ end: Int) -> MediaStage {
    MediaStage(kind, start: .seconds(start), end: .seconds(end))
  }

  @Test func `stages of a part that was recorded completely are where the platform says`() {
    #expect(audible(stage(.hold, 3, 7), stage(.mask, 10, 13)) == [3...7, 10...13])
  }

  @Test func `what was not recorded shortens the audio before later stages`() {
    #expect(audible(stage(.stopOnDemand, 5, 10), stage(.hold, 12, 14)) == [5...5, 7...9])
    // A hold during which the recording was stopped.
    #expect(audible(stage(.hold, 4, 12), stage(.stopOnDemand, 5, 10)) == [4...7, 5...5])
  }

  @Test func `recording on demand is all of the audio`() {
    #expect(audible(stage(.recordOnDemand, 10, 20), stage(.hold, 12, 14)) == [0...10, 2...4])
    #expect(
      audible(stage(.recordOnDemand, 2, 6), stage(.recordOnDemand, 10, 20), stage(.stopOnDemand, 12, 14))
        == [0...4, 4...12, 6...6])
  }

  @Test func `facts are read back from their stored form`() throws {
    let facts = PartFacts(
      3, startTime: Instant(milliseconds: 5), lanes: [MediaLane(channel: 1, speaker: .agent, name: "Zoë")],
      stages: [stage(.mask, 1, 2)])
    let media = PlannedMedia(parts: [facts], missing: [PartFacts(4)])
    let data = try JSONEncoder().encode(media)
    #expect(try JSONDecoder().decode(PlannedMedia.self, from: data) == media)
    let text = String(decoding: data, as: UTF8.self)
    #expect(text.contains(#""start_ms":1000"#) && text.contains(#""end_ms":2000"#))
  }
}
