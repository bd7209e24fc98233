import Access
import Catalog
import Foundation
import HTTPTypes
import Hummingbird
import Model

/// `GET /play/{id}`: the player, or the progress of the job; `POST /play/{id}/ingest`: the button that requests it.
struct PlayerPageController {
  let catalog: Catalog
  let ingest: IngestController
  let pages: PageRenderer

  var routes: [Route] {
    [
      .recording(
        .get, "/play/{id}", .page, action: .hear, log: .disclosure(denial: .view), "The player.", handler: show),
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
    let visible = subject.recording.map { VisibleRecording($0, job: job, for: identity.visibility) }
    if let visible, let open = visible.open, let part = subject.parts.first, open.archivedAt != nil {
      var steps: [StepTime] = []
      if let job { steps = try await catalog.steps(of: job.id) }
      let view = PlayerView(visible: visible, recording: open, part: part, steps: steps)
      let text = try pages.page(
        "player", title: view.heading, context: admitted.context, on: .recordings, view.values)
      return Reply(.html(text), .page)
    }
    let view = JobView(key: subject.key, recording: visible?.open, job: job)
    // Without a job there is no recording, which programs learn from the status alone.
    let status: HTTPResponse.Status = job == nil ? .notFound : .ok
    let text = try pages.page("job", title: view.heading, context: admitted.context, on: .recordings, view.values)
    return Reply(.html(text, status: status), .page)
  }
}
