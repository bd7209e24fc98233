import Catalog
import Model

/// A recording as an identity may see it. Every response and page that shows a recording is rendered from this value,
/// which has no facts that the identity may not see.
struct VisibleRecording {
  static let restrictedReason = "Restricted: ask a supervisor"

  let key: RecordingKey
  let privacy: Privacy
  let status: ListedStatus
  /// The facts; nil for a recording that is listed without them. Addresses are masked and the platform's answer is
  /// empty where the identity may not see addresses.
  let open: RecordingRow?
  /// Nil for a recording without facts or without a job.
  let stage: Stage?
  /// Why the recording failed; nil for any other status, and without facts.
  let failure: String?
  /// Whether `open` has the addresses unmasked.
  let showsAddresses: Bool

  init(_ listed: ListedRecording, for visibility: Visibility) {
    key = listed.recording.key
    privacy = listed.recording.facts.privacy
    showsAddresses = visibility.showsAddresses
    let hasFacts = visibility.extent(of: listed.recording.facts, from: key.source) == .facts
    // Damage is visible only with the facts.
    status = listed.status == .damaged && !hasFacts ? .ready : listed.status
    guard hasFacts else {
      (open, stage, failure) = (nil, nil, nil)
      return
    }
    open = visibility.showsAddresses ? listed.recording : listed.recording.withMaskedAddresses
    stage = listed.stage
    failure = listed.status == .failed ? listed.failureMessage : nil
  }

  init(_ recording: RecordingRow, job: JobRow?, for visibility: Visibility) {
    self.init(
      ListedRecording(
        recording: recording, stage: job?.stage, runState: job?.runState, failureMessage: job?.failure?.message),
      for: visibility)
  }

  /// The customer's phone number or other address: the called one, or the caller of an inbound call.
  var customer: String? { open?.facts.customer }

  /// The address of the recording's page; nil for a recording without facts.
  var page: String? { open.map { "/play/\($0.key.pathSegment)" } }
}

extension RecordingRow {
  fileprivate var withMaskedAddresses: RecordingRow {
    var row = self
    row.facts.fromAddress = facts.fromAddress.map(masked)
    row.facts.toAddress = facts.toAddress.map(masked)
    row.facts.json = "{}"
    return row
  }
}

/// An address with all but the last two of its digits and letters replaced.
private func masked(_ address: String) -> String {
  let hidden = address.filter { $0.isNumber || $0.isLetter }.count - 2
  var seen = 0
  return String(
    address.map { character in
      guard character.isNumber || character.isLetter else { return character }
      seen += 1
      return seen > hidden ? character : "•"
    })
}
