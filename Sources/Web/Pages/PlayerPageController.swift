import Access
import Catalog
import Foundation
import HTTPTypes
import Hummingbird
import Model
import ObjectStorage

/// `GET /play/{id}`: the player, or the progress of the job; `POST /play/{id}/ingest`: the button that requests the
/// recording.
struct PlayerPageController {
  let catalog: Catalog
  let listing: RecordingListing
  let ingest: IngestController
  let store: any ObjectStore
  let pages: PageRenderer

  var routes: [Route] {
    [
      .recording(
        .get, "/play/{id}", .page, action: .hear, log: .disclosure(denial: .view),
        "The player, with links to the newer and the older call of a list.",
        query: [
          QueryParameter("list", .text, "The query of the list that the recording was opened from."),
          QueryParameter("t", .ignored, "The position in seconds, which the player reads."),
          QueryParameter("loop", .ignored, "The passage to repeat, which the player reads."),
          QueryParameter("swap", .ignored, "Whether the channels are swapped, which the player reads."),
        ],
        handler: show),
      .recording(
        .post, "/play/{id}/ingest", .page, action: .ingest, log: .change(.ingest), "Requests the recording."
      ) { admitted in
        _ = try await admitted.form()
        _ = try await ingest.startJob(admitted)
        return Reply(.seeOther("/play/\(admitted.subject.key.pathSegment)"))
      },
    ]
  }

  private func show(_ admitted: Admitted<RecordingSubject>) async throws -> Reply {
    let (subject, identity) = (admitted.subject, admitted.identity)
    let job = try await catalog.job(of: subject.key)
    let links = try await callLinks(admitted)
    let visible = subject.recording.map { VisibleRecording($0, job: job, for: identity.visibility) }
    if let visible, let open = visible.open, let whole = WholeFiles(subject.recording, subject.parts), open.archivedAt != nil {
      var steps: [StepTime] = []
      if let job { steps = try await catalog.steps(of: job.id) }
      let showsEveryone = admitted.allows(.readAccessLog)
      var filter = LogFilter()
      filter.recording = subject.key
      filter.action = .audioHeard
      if !showsEveryone { filter.who = identity.id }
      let heard = try await catalog.logEntries(matching: filter, before: nil, limit: 20).map(\.entry)
      var repairs = LogFilter()
      repairs.recording = subject.key
      repairs.action = .repair
      let repair = try await catalog.logEntries(matching: repairs, before: nil, limit: 1).first
      let view = PlayerView(
        visible: visible, recording: open, parts: subject.parts, whole: whole,
        unusable: await unusableFiles(of: open, whole), steps: steps, heard: heard, counts: try await catalog.logCounts(of: subject.key, by: showsEveryone ? nil : identity.id),
        showsEveryone: showsEveryone,
        repairedAt: repair?.entry.at, acceptance: try await catalog.acceptance(of: subject.key),
        preferences: admitted.context.preferences, times: admitted.times)
      let text = try pages.page(
        "player", title: view.heading, context: admitted.context, on: .recordings,
        view.values.merging(links) { $1 })
      return Reply(.html(text), .page)
    }
    let view = JobView(
      key: subject.key, recording: visible?.open, job: job, canDecide: admitted.allows(.manageJobs),
      undecided: try await catalog.undecidedFile(of: subject.key, visibleTo: identity.visibility)?.id,
      times: admitted.times)
    // Without a job, the recording is neither archived nor in progress; the status 404 tells programs so.
    let status: HTTPResponse.Status = job == nil ? .notFound : .ok
    let text = try pages.page(
      "job", title: view.heading, context: admitted.context, on: .recordings,
      view.values.merging(links) { $1 })
    return Reply(.html(text, status: status), .page)
  }

  /// The files that are known to be damaged or missing, so that the page offers none of them. Only a recording with
  /// known damage is looked up in the store; a store that cannot be read is not damage.
  private func unusableFiles(of recording: RecordingRow, _ whole: WholeFiles) async -> Set<FileKind> {
    guard let damage = recording.damage else { return [] }
    var unusable = damage.unusableFiles(ofPart: whole.part)
    for kind in FileKind.allCases where !unusable.contains(kind) {
      guard let file = whole[kind] else { continue }
      do throws(TapedeckError) {
        if try await store.open(file.name).bytes != file.bytes { unusable.insert(kind) }
      } catch {
        if [.objectMissing, .objectDamaged].contains(error.code) { unusable.insert(kind) }
      }
    }
    return unusable
  }

  /// Links to the list that the recording was opened from, and to the recordings before and after it there.
  private func callLinks(_ admitted: Admitted<RecordingSubject>) async throws -> [String: Any?] {
    let text = admitted.query["list"]
    // A list whose address was edited is treated as the list of all recordings.
    let query = try? Query(text, for: RecordingListing.parameters, isStrict: false, zone: admitted.query.zone)
    let filter = query.map(listing.filter) ?? RecordingFilter()
    let list = query == nil ? nil : text
    var links: [String: Any?] = ["backURL": list.map { "/?\($0)" } ?? "/"]
    guard let recording = admitted.subject.recording else { return links }
    let (newer, older) = try await catalog.neighbours(
      of: ListCursor(at: recording.sortedAt, id: recording.id), matching: filter,
      visibleTo: admitted.identity.visibility)
    links["newerURL"] = newer.map { playerURL($0, list: list) }
    links["olderURL"] = older.map { playerURL($0, list: list) }
    return links
  }
}

/// The address of a recording's page, opened from a list.
func playerURL(_ key: RecordingKey, list: String?) -> String {
  "/play/\(key.pathSegment)" + (list.map { "?list=\(percentEncoded($0))" } ?? "")
}
