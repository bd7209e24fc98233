import Foundation
import Model
import NIOCore

/// The answer of the media playback API about one call: its interactions, each with its media and metadata.
struct MediaAnswer {
  /// The voice interactions in the order of time, also those whose media is missing.
  let calls: [Interaction]
  /// Why other interactions of the call are not archived, as sentences.
  let skipped: [String]

  /// No interaction.
  static let empty = MediaAnswer([])

  private init(_ interactions: [Interaction]) {
    let voice = interactions.filter { $0.medium == .voice }.enumerated()
    calls = voice.sorted {
      ($0.element.startTime?.milliseconds ?? .max, $0.offset) < ($1.element.startTime?.milliseconds ?? .max, $1.offset)
    }.map { $0.element }
    skipped = Set(interactions.compactMap(\.medium.reasonToSkip)).sorted()
  }

  /// Reads `interactions`, `Interactions`, or either of them in `value`; a list alone counts as the interactions.
  ///
  /// - Throws: `platformProtocol` for anything but JSON.
  init(_ body: ByteBuffer) throws(TapedeckError) {
    let bytes = PlatformJSON.utf8(body)
    if bytes.allSatisfy(\.isJSONSpace) {
      self = .empty
      return
    }
    guard let value = PlatformJSON.value(bytes) else {
      throw TapedeckError(
        .platformProtocol, "The platform's answer about the media of a call cannot be read.",
        detail: "media: not JSON")
    }
    self.init(Self.list(value).map { Interaction($0) })
  }

  private static func list(_ value: Any) -> [LenientObject] {
    guard let object = LenientObject(value) else { return LenientObject.list(value) ?? [] }
    if let list = object.objects("interactions") { return list }
    if let inner = object.value("value") { return list(inner) }
    // An interaction by itself.
    return object.object("data") == nil ? [] : [object]
  }

  /// Whether there is media of the call.
  var hasMedia: Bool { calls.contains { $0.address != nil } }

  /// What the answer says about the recording; the list has more facts.
  func located(_ id: RecordingID) -> Located {
    var facts = PlatformRecording(
      id: id, status: hasMedia ? .available : .processing, privacy: .restricted)
    let segments = calls.flatMap(\.segments)
    facts.isPrivacyKnown = !segments.isEmpty
    if facts.isPrivacyKnown, !segments.contains(where: \.isRestricted) { facts.privacy = .standard }
    // The first segment that is not a consultation between agents says who called.
    facts.direction = segments.compactMap(\.direction).first { $0 != .internal } ?? segments.first?.direction
    facts.startTime = calls.compactMap(\.startTime).min()
    facts.endTime = calls.compactMap(\.endTime).max()
    facts.agentName = calls.flatMap(\.lanes).first { $0.speaker == .agent }?.name
    let parts = parts(of: id)
    let missing = parts.filter { calls[$0.locator.part].address == nil }
    var reasons = skipped
    if !missing.isEmpty {
      let all = counted(calls.count, "part")
      reasons.insert("The platform has no media for \(missing.count) of the \(all) of the call.", at: 0)
    }
    return Located(
      facts, availability: hasMedia ? .available : .notYet, parts: parts.filter { !missing.contains($0) },
      completesList: true, missing: missing, skipped: reasons)
  }

  /// All parts, also those that are missing, so that a part keeps its number when the media of another one appears.
  private func parts(of id: RecordingID) -> [LocatedPart] {
    calls.enumerated().map { number, call in
      LocatedPart(
        PartLocator(id, part: number), startTime: call.startTime, expectedDuration: call.expectedDuration,
        lanes: call.lanes, stages: call.stages)
    }
  }

  /// The addresses of the parts, by their numbers.
  var addresses: [Int: MediaAddress] {
    var addresses: [Int: MediaAddress] = [:]
    for (number, call) in calls.enumerated() { addresses[number] = call.address.map { .signed($0) } }
    return addresses
  }
}
