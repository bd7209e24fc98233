import Foundation

/// Several rows of a list can describe one call: one row for each of its legs, on any pages and in any periods. The
/// recording has the facts of the call as a whole, and keeps the rows as they came:
/// `{"legs":{"LEG":{…}},"recorded":true}`.
extension PlatformRecording {
  /// Whether it is the first row of its call, which stands for the call where calls are counted.
  package var isFirstLeg: Bool { leg == nil || leg == id.rawValue }

  /// The text of `json` for a call of which one row is known.
  ///
  /// - Parameter row: a JSON object.
  package static func json(leg: String, row: [String: Any], wasRecorded: Bool?) -> String {
    text(legs: [leg: row], wasRecorded: wasRecorded)
  }

  /// This row together with the other rows of the call. The order in which rows are folded does not matter, except
  /// between rows of one leg, of which the last one counts. A row whose addresses the platform has erased changes
  /// nothing, because erasing them here is for a person to decide.
  ///
  /// - Parameter known: the recording as folded so far.
  package func folded(into known: PlatformRecording) -> PlatformRecording {
    if isAnonymized {
      var call = known
      call.wasRecorded = known.recorded
      call.leg = leg
      return call
    }
    // Facts such as the agent are those of the leg that began first.
    let begins = (startTime ?? .distantFuture) <= (known.startTime ?? .distantFuture)
    var call = begins ? completed(by: known) : known.completed(by: self)
    call.startTime = [startTime, known.startTime].compactMap { $0 }.min()
    call.endTime = [endTime, known.endTime].compactMap { $0 }.max()
    if let start = call.startTime, let end = call.endTime {
      call.durationSeconds = Int(clamping: (end - start).components.seconds)
    }
    if known.direction == .outbound || direction == .outbound { call.direction = .outbound }
    call.status = known.status == .processing ? status : known.status
    let recorded = [recorded, known.recorded].compactMap { $0 }
    call.wasRecorded = recorded.isEmpty ? nil : recorded.contains(true)
    call.leg = leg
    call.isAnonymized = false
    if isPrivacyKnown == known.isPrivacyKnown {
      call.privacy = max(privacy, known.privacy)
    } else {
      call.privacy = isPrivacyKnown ? privacy : known.privacy
    }
    call.isPrivacyKnown = isPrivacyKnown || known.isPrivacyKnown
    let legs = Self.legs(known.json).merging(Self.legs(json)) { $1 }
    call.json = Self.text(legs: legs, wasRecorded: call.wasRecorded)
    return call
  }

  /// These facts, with those of `known` where there are none. Status and ID are those of these facts.
  package func completed(by known: PlatformRecording) -> PlatformRecording {
    var facts = self
    func complete<Value>(_ fact: WritableKeyPath<PlatformRecording, Value?>) {
      if facts[keyPath: fact] == nil { facts[keyPath: fact] = known[keyPath: fact] }
    }
    complete(\.startTime)
    complete(\.endTime)
    complete(\.durationSeconds)
    complete(\.direction)
    for fact in Self.texts { complete(fact) }
    if facts.json == "{}" { facts.json = known.json }
    if !facts.isPrivacyKnown { (facts.privacy, facts.isPrivacyKnown) = (known.privacy, known.isPrivacyKnown) }
    return facts
  }

  private static var texts: [WritableKeyPath<PlatformRecording, String?>] {
    [
      \.agentID, \.agentName, \.teamID, \.skillID, \.skillName, \.campaignID, \.campaignName, \.fromAddress,
      \.toAddress, \.contactID, \.disposition, \.mediaType,
    ]
  }

  /// Whether the call was recorded, also for a recording from the catalog.
  private var recorded: Bool? { wasRecorded ?? Self.object(json)["recorded"] as? Bool }

  /// Whether `json` has the rows of legs.
  package var hasLegs: Bool { json.hasPrefix(#"{"legs":"#) }

  /// The rows of the legs in `json`.
  static func legs(_ json: String) -> [String: Any] { object(json)["legs"] as? [String: Any] ?? [:] }

  private static func object(_ json: String) -> [String: Any] {
    (try? JSONSerialization.jsonObject(with: Data(json.utf8))) as? [String: Any] ?? [:]
  }

  private static func text(legs: [String: Any], wasRecorded: Bool?) -> String {
    var object: [String: Any] = ["legs": legs]
    if let wasRecorded { object["recorded"] = wasRecorded }
    let data = try? JSONSerialization.data(withJSONObject: object, options: [.sortedKeys, .withoutEscapingSlashes])
    return data.map { String(decoding: $0, as: UTF8.self) } ?? "{}"
  }
}

extension Instant {
  fileprivate static let distantFuture = Instant(milliseconds: .max)
}
