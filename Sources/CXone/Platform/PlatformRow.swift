import Foundation
import Model

/// One object of the platform's response, read field by field where a strict JSON parser rejects it as a whole.
///
/// A field that cannot be read is left out and named in `unreadable`. An unreadable `privacy` counts as restricted. So
/// does a row with a field whose name only looks like `privacy`, and a row that is not well-formed JSON even when the
/// values of its fields are ignored. This holds whatever `privacy` says in the readable part: the rest may contradict
/// it.
struct PlatformRow {
  /// A whole number with too many digits for a machine integer, kept exactly.
  struct ExactInteger { var digits: String }

  enum ID: Equatable {
    case absent
    case valid(RecordingID)
    /// With the reason as a sentence.
    case unusable(String)
  }

  private(set) var fields: PlatformJSON.Object = [:]
  private(set) var id = ID.absent
  private(set) var unreadable: [String] = []
  /// More names do not help the reader of the log, and comparing each with all others would take quadratic time.
  private static let maxUnreadable = 20
  /// Whether only the beginning of the object could be read.
  let isCut: Bool

  /// Nil for anything but an object. Of an object that is not closed, the members before the fault are read.
  init?(_ text: ArraySlice<UInt8>) {
    guard text.first == UInt8(ascii: "{") else { return nil }
    let whole = JSONParts(text)
    let split = whole ?? JSONParts(beginningOf: text)
    isCut = whole == nil
    let members = split.parts
    let strict = PlatformJSON.value(text) as? PlatformJSON.Object
    if let strict { fields = strict }
    var ids: [ArraySlice<UInt8>] = []
    var privacies: [ArraySlice<UInt8>] = []
    var contradictions: [String] = []
    var hasUnreadableName = false
    for member in members {
      guard let name = member.name.flatMap({ PlatformJSON.value($0) as? String }) else {
        hasUnreadableName = true
        continue
      }
      if name == "id" { ids.append(member.value) }
      if PrivacyName.isPrivacy(name) { privacies.append(member.value) }
      if PrivacyName.isImitated(by: name) || PrivacyName.isHidden(in: member.value) { contradictions.append(name) }
      if strict == nil { read(member.value, as: name) }
      if member.value.count > 15, PlatformJSON.isWholeNumber(member.value) {
        fields[name] = ExactInteger(digits: String(decoding: member.value, as: UTF8.self))
      }
    }
    if privacies.count > 1 || (fields["privacy"] == nil && !privacies.isEmpty) {
      fields["privacy"] = Self.strictest(privacies)
    }
    for name in contradictions { restrict(because: name) }
    id = Self.id(ids)
    if hasUnreadableName { note("a name") }
    if split.isAmbiguous {
      note("the rest of the row")
    } else if strict == nil, !hasUnreadableName, !JSONForm.isIntact(text.trimmedJSON) {
      restrict(because: "the form of the row")
    }
    guard hasUnreadableName || split.isAmbiguous else { return }
    restrict()
    if split.isAmbiguous, id == .absent {
      id = .unusable("The row has an unterminated string or bracket, and no ID before it.")
    }
  }

  /// The fields as JSON text with sorted keys.
  var json: String {
    guard fields.values.contains(where: { $0 is ExactInteger }) else { return PlatformJSON.written(fields) }
    let members = fields.sorted { $0.key < $1.key }.map { name, value in
      let text = (value as? ExactInteger)?.digits ?? PlatformJSON.written(value)
      return "\(PlatformJSON.written(name)):\(text)"
    }
    return "{\(members.joined(separator: ","))}"
  }

  /// Replaces the secrets in all texts: a platform may repeat a token in its answer.
  mutating func redact() { fields = Self.redacted(fields) as? PlatformJSON.Object ?? [:] }

  private static func redacted(_ value: Any) -> Any {
    switch value {
    case let text as String: Redactor.shared.redactSecrets(text)
    case let object as PlatformJSON.Object:
      Dictionary(object.map { (Redactor.shared.redactSecrets($0.key), redacted($0.value)) }) { first, _ in first }
    case let list as [Any]: list.map(redacted)
    default: value
    }
  }

  /// Notes a field whose value has a form that is not understood.
  mutating func note(_ name: String) {
    guard unreadable.count < Self.maxUnreadable, !unreadable.contains(name) else { return }
    unreadable.append(name)
  }

  /// Counts the row as restricted, because its privacy may be in a part that cannot be read.
  mutating func restrict(because part: String? = nil) {
    if let part { note(part) }
    fields["privacy"] = Privacy.restricted.rawValue
  }

  private mutating func read(_ value: ArraySlice<UInt8>, as name: String) {
    if let read = PlatformJSON.value(value) {
      fields[name] = read
      return
    }
    note(name)
    fields[name] = name == "privacy" ? Privacy.restricted.rawValue : PlatformJSON.repairedText(value)
  }

  /// Two values for one name: the stricter one counts.
  private static func strictest(_ values: [ArraySlice<UInt8>]) -> String {
    let read = values.map { value in PlatformJSON.value(value).map { Privacy(platformJSON: $0) } ?? .restricted }
    return (read.max() ?? .restricted).rawValue
  }

  private static func id(_ values: [ArraySlice<UInt8>]) -> ID {
    guard let value = values.first else { return .absent }
    guard values.allSatisfy({ $0 == value }) else { return .unusable("The row has several different IDs.") }
    let text: String
    switch PlatformJSON.value(value) {
    case is NSNull: return .absent
    case let string as String: text = string
    case nil where value.first == UInt8(ascii: "\""): return .unusable("The ID is not valid text.")
    default:
      // The digits as they were sent: a conversion would change a long number, and would read 1.5 as 1.
      guard PlatformJSON.isWholeNumber(value) else { return .unusable("The ID is neither a string nor an integer.") }
      text = String(decoding: value, as: UTF8.self)
    }
    if text.isEmpty { return .absent }
    return RecordingID(text).map(ID.valid)
      ?? .unusable(
        "The ID is longer than \(RecordingID.maxLength) bytes, or contains characters or a secret that are not allowed."
      )
  }
}
