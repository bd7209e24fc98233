/// What the platform says about one media file of a recording.
package struct PartFacts: Sendable, Hashable, Codable {
  /// Counted from 0, in the order of time. Missing parts are counted too.
  package var part: Int
  package var startTime: Instant?
  package var lanes: [MediaLane]
  /// Counted from the beginning of the part, in the order of time.
  package var stages: [MediaStage]

  package init(_ part: Int = 0, startTime: Instant? = nil, lanes: [MediaLane] = [], stages: [MediaStage] = []) {
    self.part = part
    self.startTime = startTime
    self.lanes = lanes
    self.stages = stages
  }

  /// The stages as passages of the audio, which has only what was recorded. A passage that was not recorded is empty.
  package var audibleStages: [MediaStage] {
    stages.map { MediaStage($0.kind, start: recorded(until: $0.start), end: recorded(until: $0.end)) }
  }

  /// How much was recorded until a time.
  private func recorded(until time: Duration) -> Duration {
    func isIn(_ kind: MediaStage.Kind, _ moment: Duration) -> Bool {
      stages.contains { $0.kind == kind && $0.start <= moment && moment < $0.end }
    }
    let isOnDemand = stages.contains { $0.kind == .recordOnDemand }
    // No stage begins or ends between two neighbouring points.
    let points = Set(stages.flatMap { [$0.start, $0.end] } + [.zero, time]).filter { .zero <= $0 && $0 <= time }.sorted()
    return zip(points, points.dropFirst()).reduce(.zero) { sum, span in
      let isRecorded = (!isOnDemand || isIn(.recordOnDemand, span.0)) && !isIn(.stopOnDemand, span.0)
      return isRecorded ? sum + (span.1 - span.0) : sum
    }
  }
}

/// The media files of a recording, as the platform named them when it was last asked.
package struct PlannedMedia: Sendable, Equatable, Codable {
  /// Those that exist, in the order of time.
  package var parts: [PartFacts]
  /// Those that the platform does not provide.
  package var missing: [PartFacts]

  package init(parts: [PartFacts], missing: [PartFacts] = []) {
    self.parts = parts
    self.missing = missing
  }

  /// One file, about which nothing is known.
  package static let single = PlannedMedia(parts: [PartFacts()])
}

/// Who speaks on a channel of a media file.
package struct MediaLane: Sendable, Hashable, Codable {
  package enum Speaker: String, Sendable, Codable, CaseIterable { case agent, customer, other }

  /// Counted from 0.
  package var channel: Int
  package var speaker: Speaker
  package var name: String?

  package init(channel: Int, speaker: Speaker, name: String? = nil) {
    self.channel = channel
    self.speaker = speaker
    self.name = name
  }
}

/// A time in which a media file has something other than the conversation, or in which it was recorded or not on
/// demand. Counted from its beginning.
package struct MediaStage: Sendable, Hashable, Codable {
  package enum Kind: String, Sendable, Codable, CaseIterable {
    case hold, mask
    case recordOnDemand = "record_on_demand"
    case stopOnDemand = "stop_on_demand"
  }

  package var kind: Kind
  package var start: Duration
  package var end: Duration

  package init(_ kind: Kind, start: Duration, end: Duration) {
    self.kind = kind
    self.start = start
    self.end = end
  }

  private enum CodingKeys: String, CodingKey {
    case kind
    case start = "start_ms"
    case end = "end_ms"
  }

  package init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: CodingKeys.self)
    kind = try values.decode(Kind.self, forKey: .kind)
    start = .milliseconds(try values.decode(Int64.self, forKey: .start))
    end = .milliseconds(try values.decode(Int64.self, forKey: .end))
  }

  package func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: CodingKeys.self)
    try values.encode(kind, forKey: .kind)
    try values.encode(start.milliseconds, forKey: .start)
    try values.encode(end.milliseconds, forKey: .end)
  }
}
