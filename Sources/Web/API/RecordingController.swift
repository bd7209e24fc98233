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
        "The recording: its facts, files with hashes, and steps; `parts`, when it has several or the platform says more about its only one, with the times of their stages in the whole audio; `missingParts`, when it is partial: the platform has no media for them; `damage`, a sentence, when a file is damaged or missing; `verifiedAt`, when its files were last read and compared with their hashes.",
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
    var answer = RecordingAnswer(VisibleRecording(recording, job: job, for: visibility))
    answer.add(
      recording, parts: admitted.subject.parts, steps: steps, store: store, showsLocations: visibility.showsLocations)
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
      "missingParts?": .list(PartAnswer.Missing.schema),
      "verifiedAt?": .moment, "codec?": .string, "channels?": .integer, "sampleRate?": .integer,
      "files?": .list(FileAnswer.schema), "parts?": .list(PartAnswer.schema), "steps?": .list(JobAnswer.StepAnswer.schema),
    ])

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
  /// The parts for which the platform has no media; absent when there are none.
  let missingParts: [PartAnswer.Missing]?
  /// What is wrong with its files; absent when no damage is known.
  let damage: String?
  /// When its bytes were last read and compared.
  let verifiedAt: String?
  var codec: String?
  var channels: Int?
  var sampleRate: Int?
  var files: [FileAnswer]?
  var parts: [PartAnswer]?
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
    missingParts = open.flatMap { $0.isPartial ? $0.missingParts.map(PartAnswer.Missing.init) : nil }
    damage = open?.damage?.sentence
    verifiedAt = open?.verifiedAt?.iso8601Milliseconds
  }

  /// `codec`, `channels` and `sampleRate` are those of the first part.
  ///
  /// - Parameter showsLocations: whether the reader may see where files are stored; agents do not need it.
  mutating func add(
    _ recording: RecordingRow, parts: [MediaPart], steps: [StepTime], store: any ObjectStore, showsLocations: Bool
  ) {
    let location: ((ObjectName) -> String)? = showsLocations ? { store.location(of: $0) } : nil
    codec = parts.first?.codec
    channels = parts.first?.channels
    sampleRate = parts.first?.sampleRate
    if let joined = recording.joined {
      files = [FileAnswer("mp3", joined.mp3, location), FileAnswer("peaks", joined.peaks, location)]
    } else {
      files = parts.first.map { FileAnswer.all(of: $0, location) } ?? []
    }
    let isPlain = parts.isEmpty || parts.map(\.facts) == PlannedMedia.single.parts
    self.parts = isPlain ? nil : parts.map { PartAnswer($0, location) }
    self.steps = steps.map {
      JobAnswer.StepAnswer(
        step: $0.step.rawValue, startedAt: $0.startedAt.iso8601Milliseconds, seconds: $0.duration.inSeconds)
    }
  }
}
