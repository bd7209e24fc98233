import Foundation
import Model

/// A part of a call, or of a conversation by another medium, in the answer of the media playback API.
struct Interaction {
  enum Medium: Hashable {
    case voice, screen
    /// Such as chat, also as a part of an interaction that was elevated to a call.
    case other(String)

    /// Why it is not archived, as a sentence; nil for a call.
    var reasonToSkip: String? {
      switch self {
      case .voice: nil
      case .screen: "The call has a screen recording, which is not archived."
      case .other(let name): "The call has media of the type '\(name)', which is not archived."
      }
    }
  }

  struct Segment {
    var direction: Direction?
    var isRestricted: Bool
  }

  let medium: Medium
  let startTime: Instant?
  let endTime: Instant?
  /// The signed address of the media; nil when there is none. Never logged or stored.
  let address: String?
  let lanes: [MediaLane]
  let stages: [MediaStage]
  let segments: [Segment]

  init(_ object: LenientObject) {
    let data = object.object("data") ?? object
    startTime = object.moment("startTime") ?? data.moment("startTime")
    endTime = object.moment("endTime") ?? data.moment("endTime")
    address = data.text("fileToPlayUrl") ?? object.text("fileToPlayUrl")
    medium = Self.medium(object, hasAddress: address != nil)
    let participants = data.objects("participantDataList") ?? []
    lanes = participants.compactMap(Self.lane).sorted { $0.channel < $1.channel }
    stages = Self.stages(participants, from: startTime)
    segments = (data.objects("segmentsDataList") ?? []).map { segment in
      Segment(
        direction: segment.text("directionType").flatMap { Direction(rawValue: $0.lowercased()) },
        isRestricted: segment.flag("customerRestricted") == true || segment.flag("isCustomerRestricted") == true)
    }
  }

  /// How long the audio should be: the interaction, as far as it was recorded. The duration of the contact includes the
  /// menu and the queue.
  var expectedDuration: Duration? {
    guard let startTime, let endTime, startTime < endTime else { return nil }
    let whole = endTime - startTime
    let wanted = stages.filter { $0.kind == .recordOnDemand }.map { $0.start..<max($0.start, $0.end) }
    let recorded = wanted.isEmpty ? [Duration.zero..<whole] : wanted
    let stopped = stages.filter { $0.kind == .stopOnDemand }.map { $0.start..<max($0.start, $0.end) }
    return Self.length(recorded) - Self.length(Self.common(recorded, stopped))
  }

  /// The length of the union of spans, which may overlap.
  private static func length(_ spans: [Range<Duration>]) -> Duration {
    var (length, reached) = (Duration.zero, nil as Duration?)
    for span in spans.sorted(by: { $0.lowerBound < $1.lowerBound }) {
      let start = max(span.lowerBound, reached ?? span.lowerBound)
      if start < span.upperBound { length += span.upperBound - start }
      reached = max(span.upperBound, reached ?? span.upperBound)
    }
    return length
  }

  private static func common(_ one: [Range<Duration>], _ other: [Range<Duration>]) -> [Range<Duration>] {
    one.flatMap { a in other.filter { $0.overlaps(a) }.map { $0.clamped(to: a) } }
  }

  private static func medium(_ object: LenientObject, hasAddress: Bool) -> Medium {
    for name in [object.text("mediaType"), object.text("@type")].compactMap({ $0 }) {
      let word = name.lowercased()
      if word.contains("screen") { return .screen }
      if ["voice", "call", "phone", "audio"].contains(where: { word.contains($0) }) { return .voice }
      if ["chat", "mail", "digital", "message", "sms", "social"].contains(where: { word.contains($0) }) {
        return .other(String(name.prefix(40)).onOneLine)
      }
    }
    // `media-type=voice-only` was asked for, so media of an unknown type is that of a call.
    return hasAddress ? .voice : .other(String((object.text("mediaType", "@type") ?? "unknown").prefix(40)).onOneLine)
  }

  private static func lane(_ participant: LenientObject) -> MediaLane? {
    guard let channel = Self.channel(participant) else { return nil }
    let speaker: MediaLane.Speaker =
      switch participant.text("participantType")?.uppercased() {
      case "AGENT"?: .agent
      case "CUSTOMER"?: .customer
      default: .other
      }
    return MediaLane(
      channel: channel, speaker: speaker, name: participant.text("agentName", "name")?.withoutControls)
  }

  private static func channel(_ participant: LenientObject) -> Int? {
    if let number = participant.number("channel") { return (0..<32).contains(number) ? number : nil }
    return switch participant.text("channel")?.lowercased() {
    case "left"?: 0
    case "right"?: 1
    default: nil
    }
  }

  private static func stages(_ participants: [LenientObject], from start: Instant?) -> [MediaStage] {
    guard let start else { return [] }
    var stages: [MediaStage] = []
    for stage in participants.flatMap({ $0.objects("voiceStages") ?? [] }) {
      guard let begins = stage.moment("startTime", "stageStartTime"),
        let ends = stage.moment("endTime", "stageEndTime"), begins < ends
      else { continue }
      for kind in kinds(stage.text("stageType") ?? "") {
        let found = MediaStage(kind, start: max(.zero, begins - start), end: max(.zero, ends - start))
        // Each participant may repeat the stages of the call.
        if !stages.contains(found) { stages.append(found) }
      }
    }
    return stages.sorted { ($0.start, $0.end, $0.kind.rawValue) < ($1.start, $1.end, $1.kind.rawValue) }
  }

  private static func kinds(_ type: String) -> [MediaStage.Kind] {
    switch type.uppercased() {
    case "HOLD": [.hold]
    case "MASK": [.mask]
    case "ROD": [.recordOnDemand]
    case "SOD": [.stopOnDemand]
    // The agent started the recording and stopped it: what the stage covers was recorded.
    case "SOD_ROD": [.recordOnDemand]
    default: []
    }
  }
}
