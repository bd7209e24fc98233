import Access
import Catalog
import Foundation
import Hummingbird
import Model
import ObjectStorage

/// Recordings for programs: `GET /api/v1/recordings` and `GET /api/v1/recordings/{id}`.
struct RecordingController {
  let services: WebServices
  let guardian: RecordingGuard

  func addRoutes(to group: RouterGroup<WebContext>) {
    group.get("api/v1/recordings") { request, context in try await list(request, context) }
    group.get("api/v1/recordings/:id") { request, context in try await show(request, context) }
  }

  private struct ListAnswer: Encodable {
    let recordings: [RecordingAnswer]
    let nextCursor: String?
  }

  private func list(_ request: Request, _ context: WebContext) async throws -> Response {
    let identity = try context.requireIdentity()
    let query = try RecordingQueryString(request)
    let limit = try query.limit(default: 100, maximum: 500)
    let listing = try await RecordingListing(services: services)
      .load(query, limit: limit, for: identity, from: context.origin(of: request))
    return .json(
      ListAnswer(
        recordings: listing.rows.map { RecordingAnswer($0, for: identity) }, nextCursor: listing.next))
  }

  private func show(_ request: Request, _ context: WebContext) async throws -> Response {
    let key = try guardian.key(context)
    guard let (recording, parts) = try await services.catalog.archived(key) else {
      try await guardian.admitUnknown(.inspect, key: key, for: request, context, as: .view)
      throw TapedeckError(.unknownRecording, "The catalog knows no recording of this id. Ingest it first.")
    }
    try await guardian.admit(.inspect, to: recording, for: request, context, as: .view)
    let identity = try context.requireIdentity()
    try await services.log.record(.view, by: identity, recording: key, from: context.origin(of: request))
    let job = try await services.catalog.job(of: key)
    var steps: [StepTime] = []
    if let job { steps = try await services.catalog.steps(of: job.id) }
    let listed = ListedRecording(
      recording: recording, stage: job?.stage, runState: job?.runState, failureMessage: job?.failure?.message)
    var answer = RecordingAnswer(listed, for: identity)
    answer.add(parts: parts, steps: steps, store: services.store, showsLocations: identity.role != .agent)
    return .json(answer)
  }
}

/// A recording as programs see it. Of one that its reader may not hear, only that it exists and why it is closed.
struct RecordingAnswer: Encodable {
  struct FileAnswer: Encodable {
    let kind: String
    let location: String?
    let sha256: String
    let bytes: Int64
  }

  let id: String
  let source: String
  let status: String
  let privacy: String
  let restrictedReason: String?
  let startTime: String?
  let durationSeconds: Int?
  let audioSeconds: Double?
  let direction: String?
  let agentId: String?
  let agentName: String?
  let skillName: String?
  let campaignName: String?
  let fromAddress: String?
  let toAddress: String?
  let contactId: String?
  let disposition: String?
  let archivedAt: String?
  let playerUrl: String?
  let failure: String?
  let warning: String?
  /// What is wrong with its files; absent when nothing is known to be.
  let damage: String?
  /// When its bytes were last read back and compared.
  let verifiedAt: String?
  var codec: String?
  var channels: Int?
  var sampleRate: Int?
  var files: [FileAnswer]?
  var steps: [JobAnswer.StepAnswer]?

  init(_ listed: ListedRecording, for identity: Identity) {
    let recording = listed.recording
    let facts = recording.facts
    let isOpen = Policy.allows(.inspect, by: identity, privacy: facts.privacy)
    let showsNumbers = Policy.maySeeAddresses(identity)
    id = recording.key.id.rawValue
    source = recording.key.source.rawValue
    status = listed.status.rawValue
    privacy = facts.privacy.rawValue
    restrictedReason = isOpen ? nil : "Restricted: ask a supervisor"
    startTime = isOpen ? facts.startTime?.iso8601 : nil
    durationSeconds = isOpen ? facts.durationSeconds : nil
    audioSeconds = isOpen ? recording.audioDuration?.inSeconds : nil
    direction = isOpen ? facts.direction?.rawValue : nil
    agentId = isOpen ? facts.agentID : nil
    agentName = isOpen ? facts.agentName : nil
    skillName = isOpen ? facts.skillName : nil
    campaignName = isOpen ? facts.campaignName : nil
    fromAddress = isOpen ? facts.fromAddress.map { showsNumbers ? $0 : masked($0) } : nil
    toAddress = isOpen ? facts.toAddress.map { showsNumbers ? $0 : masked($0) } : nil
    contactId = isOpen ? facts.contactID : nil
    disposition = isOpen ? facts.disposition : nil
    archivedAt = isOpen ? recording.archivedAt?.iso8601Milliseconds : nil
    playerUrl = isOpen && recording.archivedAt != nil ? "/play/\(recording.key.pathSegment)" : nil
    failure = isOpen && listed.status == .failed ? listed.failureMessage : nil
    warning = isOpen ? recording.warning : nil
    damage = isOpen ? recording.damage : nil
    verifiedAt = isOpen ? recording.verifiedAt?.iso8601Milliseconds : nil
  }

  /// - Parameter showsLocations: whether the asker may know where files lie; agents hear them and need not.
  mutating func add(parts: [MediaPart], steps: [StepTime], store: any ObjectStore, showsLocations: Bool) {
    func file(_ kind: String, _ key: String?, _ sha256: String, _ bytes: Int64) -> FileAnswer {
      FileAnswer(
        kind: kind, location: showsLocations ? key.flatMap(ObjectKey.init).map(store.location) : nil, sha256: sha256,
        bytes: bytes)
    }
    codec = parts.first?.codec
    channels = parts.first?.channels
    sampleRate = parts.first?.sampleRate
    files = parts.flatMap { part in
      [
        file("original", part.originalKey, part.sourceSHA256, part.sourceBytes),
        file("mp3", part.mp3.key, part.mp3.sha256, part.mp3.bytes),
        file("peaks", part.peaks.key, part.peaks.sha256, part.peaks.bytes),
      ]
    }
    self.steps = steps.map {
      JobAnswer.StepAnswer(
        step: $0.step.rawValue, startedAt: $0.startedAt.iso8601Milliseconds, seconds: $0.duration.inSeconds)
    }
  }
}

/// An address, such as a telephone number, with all but the last two of its digits and letters hidden.
func masked(_ address: String) -> String {
  let hidden = address.filter { $0.isNumber || $0.isLetter }.count - 2
  var seen = 0
  return String(
    address.map { character in
      guard character.isNumber || character.isLetter else { return character }
      seen += 1
      return seen > hidden ? character : "•"
    })
}
