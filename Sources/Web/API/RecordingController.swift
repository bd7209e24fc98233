import Access
import Catalog
import Foundation
import Hummingbird
import Model
import ObjectStorage

/// `GET /api/v1/recordings` and `GET /api/v1/recordings/{id}`: recordings for programs.
struct RecordingController {
  let catalog: Catalog
  let store: any ObjectStore
  let listing: RecordingListing

  var routes: [Route] {
    [
      .admitted(
        .get, "/api/v1/recordings", .api, permission: .listRecordings, log: .entry(.list),
        "A page of recordings, the newest call first, and `nextCursor`.",
        query: RecordingListing.parameters + [.limit(500, default: 100)],
        responses: [.json(ListAnswer.schema, "A page of recordings.")], handler: list),
      .recording(
        .get, "/api/v1/recordings/{id}", .api, action: .inspect, log: .entry(.view),
        "The recording: its facts, files with hashes, and steps; `damage`, a sentence, when a file is damaged or missing; `verifiedAt`, when its files were last read and compared with their hashes; `continuesFrom` and `continuesIn`, the IDs of recordings of the same call from before and after a transfer.",
        responses: [.json(RecordingAnswer.schema, "The recording.")], handler: show),
    ]
  }

  private struct ListAnswer: Encodable {
    static let schema = Schema.object(
      "RecordingPage", ["recordings": .list(RecordingAnswer.schema), "nextCursor?": .string])
    let recordings: [RecordingAnswer]
    let nextCursor: String?
  }

  private func list(_ admitted: Admitted<Void>) async throws -> Reply {
    let limit = admitted.query.integer("limit").map { Int($0) } ?? 100
    let page = try await listing.load(admitted, limit: limit)
    return Reply(
      .json(
        ListAnswer(
          recordings: page.rows.map(RecordingAnswer.init), nextCursor: page.next)),
      .shown(count: Int64(page.rows.count), details: admitted.query.values))
  }

  private func show(_ admitted: Admitted<RecordingSubject>) async throws -> Reply {
    guard let recording = admitted.subject.recording else {
      throw TapedeckError(
        .unknownRecording,
        "The archive has no recording with this ID. Compare the ID with the one on the platform, character by character. If it is correct, the recording is not archived yet: request it with 'tapedeck ingest ID' or POST /ingest/{id}."
      )
    }
    let job = try await catalog.job(of: recording.key)
    var steps: [StepTime] = []
    if let job { steps = try await catalog.steps(of: job.id) }
    let visibility = admitted.identity.visibility
    let visible = VisibleRecording(recording, job: job, for: visibility)
    var answer = RecordingAnswer(visible)
    if visible.open != nil { answer.add(try await catalog.relatedCalls(of: recording, visibleTo: visibility)) }
    answer.add(
      parts: admitted.subject.parts, steps: steps, store: store, showsLocations: visibility.showsLocations)
    return Reply(.json(answer), .shown())
  }
}

/// A recording in the API. Without facts, it says that the recording exists and why it is closed.
struct RecordingAnswer: Encodable {
  static let schema = Schema.object(
    "Recording",
    [
      "id": .string, "source": .source, "status": .choice(of: ListedStatus.self),
      "privacy": .choice(of: Privacy.self), "restrictedReason?": .string, "startTime?": .moment,
      "durationSeconds?": .integer, "audioSeconds?": .number, "direction?": .choice(of: Direction.self),
      "agentId?": .string, "agentName?": .string, "skillName?": .string, "campaignName?": .string,
      "fromAddress?": .string, "toAddress?": .string, "contactId?": .string, "disposition?": .string,
      "archivedAt?": .moment, "playerUrl?": .string, "failure?": .string, "warning?": .string, "damage?": .string,
      "verifiedAt?": .moment, "continuesFrom?": .list(.string), "continuesIn?": .list(.string), "codec?": .string,
      "channels?": .integer, "sampleRate?": .integer,
      "files?": .list(FileAnswer.schema), "steps?": .list(JobAnswer.StepAnswer.schema),
    ])

  struct FileAnswer: Encodable {
    static let schema = Schema.object(
      "File",
      [
        "kind": .choice(["original", "mp3", "peaks"]), "location?": .string, "sha256": .sha256, "bytes": .integer,
      ])

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
  /// What is wrong with its files; absent when no damage is known.
  let damage: String?
  /// When its bytes were last read and compared.
  let verifiedAt: String?
  /// The recordings of the same call from before and after a transfer; absent without any.
  var continuesFrom: [String]?
  var continuesIn: [String]?
  var codec: String?
  var channels: Int?
  var sampleRate: Int?
  var files: [FileAnswer]?
  var steps: [JobAnswer.StepAnswer]?

  init(_ visible: VisibleRecording) {
    let open = visible.open
    let facts = open?.facts
    id = visible.key.id.rawValue
    source = visible.key.source.rawValue
    status = visible.status.rawValue
    privacy = visible.privacy.rawValue
    restrictedReason = open == nil ? VisibleRecording.restrictedReason : nil
    startTime = facts?.startTime?.iso8601
    durationSeconds = facts?.durationSeconds
    audioSeconds = open?.audioDuration?.inSeconds
    direction = facts?.direction?.rawValue
    agentId = facts?.agentID
    agentName = facts?.agentName
    skillName = facts?.skillName
    campaignName = facts?.campaignName
    fromAddress = facts?.fromAddress
    toAddress = facts?.toAddress
    contactId = facts?.contactID
    disposition = facts?.disposition
    archivedAt = open?.archivedAt?.iso8601Milliseconds
    playerUrl = open?.archivedAt == nil ? nil : visible.page
    failure = visible.failure
    warning = open?.warning
    damage = open?.damage?.sentence
    verifiedAt = open?.verifiedAt?.iso8601Milliseconds
  }

  mutating func add(_ related: RelatedCalls) {
    if !related.before.isEmpty { continuesFrom = related.before.map(\.id.rawValue) }
    if !related.after.isEmpty { continuesIn = related.after.map(\.id.rawValue) }
  }

  /// - Parameter showsLocations: whether the reader may see where files are stored; agents do not need it.
  mutating func add(parts: [MediaPart], steps: [StepTime], store: any ObjectStore, showsLocations: Bool) {
    func file(_ kind: String, _ name: ObjectName?, _ hash: ContentHash, _ bytes: Int64) -> FileAnswer {
      FileAnswer(
        kind: kind, location: showsLocations ? name.map(store.location) : nil, sha256: hash.rawValue, bytes: bytes)
    }
    codec = parts.first?.codec
    channels = parts.first?.channels
    sampleRate = parts.first?.sampleRate
    files = parts.flatMap { part in
      [
        file("original", part.original, part.sourceHash, part.sourceBytes),
        file("mp3", part.mp3.name, part.mp3.hash, part.mp3.bytes),
        file("peaks", part.peaks.name, part.peaks.hash, part.peaks.bytes),
      ]
    }
    self.steps = steps.map {
      JobAnswer.StepAnswer(
        step: $0.step.rawValue, startedAt: $0.startedAt.iso8601Milliseconds, seconds: $0.duration.inSeconds)
    }
  }
}
