import Foundation
import Model

/// A row of `contacts/completed`: one leg of a call, with the field names of either generation.
struct ContactRow {
  /// What the platform writes in place of an address that was erased.
  private static let erasedAddress = "nic_anonymize.com"
  /// The media type of telephone calls.
  static let voice = 4

  let contactID: String
  let recording: PlatformRecording

  /// Why a row is no recording.
  enum Problem: Error, Equatable {
    /// It is chat, mail or another medium, although calls were asked for.
    case otherMedium
    /// With the reason as a sentence.
    case unusable(String)
  }

  /// The call that the leg belongs to has the ID of its master contact.
  init(_ row: LenientObject) throws(Problem) {
    if let type = row.value("mediaTypeId", "mediaType"), !Self.isVoice(type) { throw .otherMedium }
    guard let contactID = row.text("contactId", "contactID") else { throw .unusable("The row has no contact ID.") }
    // A contact without a master is its own.
    let master = row.text("masterContactId", "masterContactID").flatMap { $0 == "0" ? nil : $0 } ?? contactID
    guard let id = RecordingID(master) else { throw .unusable("The ID of the call cannot be used.") }
    self.contactID = contactID
    let wasRecorded = row.flag("isLogged")
    var sent = row.sent
    let text = PlatformJSON.written(sent)
    if Redactor.shared.redactSecrets(text) != text {
      sent = Self.redacted(sent) as? PlatformJSON.Object ?? [:]
    }
    var facts = PlatformRecording(
      id: id, status: .processing, privacy: .restricted,
      json: PlatformRecording.json(leg: contactID, row: sent, wasRecorded: wasRecorded))
    // Only the media answer has it.
    facts.isPrivacyKnown = false
    facts.wasRecorded = wasRecorded
    facts.leg = contactID
    facts.startTime = row.moment("contactStart", "contactStartDate")
    facts.durationSeconds = row.seconds("totalDurationSeconds")
    facts.endTime = facts.startTime.flatMap { start in facts.durationSeconds.map { start + .seconds($0) } }
    facts.direction = row.flag("isOutbound").map { $0 ? .outbound : .inbound }
    func short(_ text: String?) -> String? { text?.cut(toBytes: PlatformRecording.maxTextLength) }
    func name(_ text: String?) -> String? { short(text)?.withoutControls }
    facts.agentID = short(row.text("agentId"))
    let names = [row.text("firstName"), row.text("lastName")].compactMap { $0 }
    facts.agentName = name(names.isEmpty ? row.text("agentName") : names.joined(separator: " "))
    facts.teamID = short(row.text("teamId"))
    facts.skillID = short(row.text("skillId"))
    facts.skillName = name(row.text("skillName"))
    facts.campaignID = short(row.text("campaignId"))
    facts.campaignName = name(row.text("campaignName"))
    facts.fromAddress = short(row.text("fromAddr", "fromAddress"))
    facts.toAddress = short(row.text("toAddr", "toAddress"))
    facts.contactID = short(master)
    facts.disposition = name(row.text("primaryDispositionName", "dispositionName", "primaryDispositionId"))
    facts.mediaType = "voice"
    facts.isAnonymized = [facts.fromAddress, facts.toAddress].contains {
      $0?.lowercased().contains(Self.erasedAddress) ?? false
    }
    recording = facts
  }

  private static func isVoice(_ type: Any) -> Bool {
    if let number = PlatformJSON.wholeNumber(type) { return number == Int64(voice) }
    guard let word = (type as? String)?.lowercased() else { return true }
    return word.contains("voice") || word.contains("call") || word.contains("phone")
  }

  private static func redacted(_ value: Any) -> Any {
    switch value {
    case let text as String: Redactor.shared.redactSecrets(text)
    case let object as PlatformJSON.Object:
      Dictionary(object.map { (Redactor.shared.redactSecrets($0.key), redacted($0.value)) }) { first, _ in first }
    case let list as [Any]: list.map(redacted)
    default: value
    }
  }
}
