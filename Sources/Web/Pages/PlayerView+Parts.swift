import Catalog
import Foundation
import Model

/// What the player shows of the parts of a recording, and of what happened in them.
extension PlayerView {
  /// A moment or passage of the audio, in seconds from its beginning.
  struct Passage: Encodable {
    /// `part`, `gap`, `missing`, or the kind of a stage.
    var kind: String
    var text: String
    var from: Double
    /// Equal to `from` for a moment.
    var to: Double
    /// Whether it is the beginning of a part.
    var beginsPart: Bool
  }

  /// Parts, gaps between them, missing parts and stages, in the order of the audio.
  var passages: [Passage] {
    let stages = parts.flatMap(\.stages).map { stage in
      Passage(
        kind: stage.kind.rawValue, text: stage.kind.title, from: stage.start.inSeconds, to: stage.end.inSeconds,
        beginsPart: false)
    }
    return (beginnings + stages).sorted { $0.from < $1.from }
  }

  /// The beginnings of the parts, and the places of those that are missing. None for a recording with one part.
  private var beginnings: [Passage] {
    let numbers = (parts.map(\.part) + recording.missingParts.map(\.part)).sorted()
    guard numbers.count > 1 else { return [] }
    var passages: [Passage] = []
    var previous: MediaPart?
    for number in numbers {
      let name = "Part \(number + 1)"
      guard let part = parts.first(where: { $0.part == number }) else {
        let place = (previous?.end ?? .zero).inSeconds
        let text = "\(name) is missing: the platform has no media for it"
        passages.append(Passage(kind: "missing", text: text, from: place, to: place, beginsPart: false))
        continue
      }
      let gap = previous.flatMap { silence(between: $0, and: part) }
      let place = part.offset.inSeconds
      passages.append(
        Passage(
          kind: gap == nil ? "part" : "gap", text: gap.map { "\(name), after a gap of \(clock($0))" } ?? name,
          from: place, to: place, beginsPart: true))
      previous = part
    }
    return passages
  }

  /// The time between two parts in which nothing was recorded; nil when it is unknown or shorter than a second.
  private func silence(between one: MediaPart, and other: MediaPart) -> Duration? {
    guard let start = one.facts.startTime, let next = other.facts.startTime else { return nil }
    let length = (next - start) - one.duration
    return length < .seconds(1) ? nil : length
  }

  /// The passages for the scripts of the player.
  var passagesJSON: String? {
    let passages = passages
    guard !passages.isEmpty else { return nil }
    let encoder = JSONEncoder()
    encoder.outputFormatting = .sortedKeys
    // Encoding cannot fail: all values are strings, flags and finite numbers.
    return (try? encoder.encode(passages)).map { String(decoding: $0, as: UTF8.self) }
  }

  /// The list of passages below the player.
  var passageRows: [[String: Any]] {
    passages.map { passage in
      let start = clock(.seconds(passage.from))
      let time = passage.to - passage.from < 0.5 ? start : "\(start)–\(clock(.seconds(passage.to)))"
      return [
        "passageKind": passage.kind, "passageText": passage.text, "passageTime": time, "passageFrom": passage.from,
      ]
    }
  }

  /// The lanes of the waveform, the agent above. The platform says which channel is whose; where it does not, the
  /// agent is on the first one.
  var lanes: [[String: Any]] {
    guard isStereo else { return [["laneID": "call", "laneName": "Call", "channel": 0]] }
    let known = parts.first?.facts.lanes ?? []
    let agent = known.first { $0.speaker == .agent }?.channel
    let customer = known.first { $0.speaker == .customer }?.channel
    let isSwapped = agent == 1 && customer != 1 || customer == 0 && agent != 0
    return [
      ["laneID": "agent", "laneName": laneName("Agent", .agent), "channel": isSwapped ? 1 : 0],
      ["laneID": "customer", "laneName": laneName("Customer", .customer), "channel": isSwapped ? 0 : 1],
    ]
  }

  /// The role, with the names of all who speak in it.
  private func laneName(_ role: String, _ speaker: MediaLane.Speaker) -> String {
    var names: [String] = []
    for name in parts.flatMap(\.facts.lanes).filter({ $0.speaker == speaker }).compactMap(\.name)
    where !names.contains(name) { names.append(name) }
    return names.isEmpty ? role : "\(role): \(names.joined(separator: ", "))"
  }

  /// Which parts are missing, as a sentence; nil when none is.
  var partialText: String? {
    guard recording.isPartial else { return nil }
    let numbers = recording.missingParts.map { "\($0.part + 1)" }.joined(separator: ", ")
    let all = recording.missingParts.count + parts.count
    let isOne = recording.missingParts.count == 1
    return
      "This recording is partial: the platform has no media for \(isOne ? "part" : "parts") \(numbers) of the \(all) parts of the call."
  }
}

extension MediaStage.Kind {
  /// The text on pages.
  fileprivate var title: String {
    switch self {
    case .hold: "Hold"
    case .mask: "Masked"
    case .recordOnDemand: "Recorded on demand"
    case .stopOnDemand: "Recording stopped on demand"
    }
  }
}
