import Access
import Catalog
import Foundation
import HTTPTypes
import Hummingbird
import Model

/// `GET /play/{id}`: the player, or how far the recording is; `POST /play/{id}/ingest`: the button that fetches it.
struct PlayerPageController {
  let services: WebServices
  let pages: PageRenderer
  let guardian: RecordingGuard

  func addRoutes(to group: RouterGroup<WebContext>) {
    group.get("play/:id") { request, context in try await show(request, context) }
    group.post("play/:id/ingest") { request, context in
      let key = try guardian.key(context)
      try await FormBody(request).requireToken(context.session?.csrf)
      _ = try await IngestController(services: services, guardian: guardian).startJob(key, request, context)
      return Response.seeOther("/play/\(key.pathSegment)")
    }
  }

  private func show(_ request: Request, _ context: WebContext) async throws -> Response {
    let key = try guardian.key(context)
    let archived = try await services.catalog.archived(key)
    if let recording = archived?.recording {
      try await guardian.admit(.hear, to: recording, for: request, context, as: .view)
    } else {
      try await guardian.admitUnknown(.hear, key: key, for: request, context, as: .view)
    }
    let identity = try context.requireIdentity()
    try await services.log.record(.view, by: identity, recording: key, from: context.origin(of: request))
    services.views.note(key, by: identity, at: services.surroundings.now())
    let job = try await services.catalog.job(of: key)
    if let (recording, parts) = archived, let part = parts.first, recording.archivedAt != nil {
      var steps: [StepTime] = []
      if let job { steps = try await services.catalog.steps(of: job.id) }
      let view = PlayerView(recording: recording, part: part, steps: steps, identity: identity)
      return .html(try pages.page("player", title: view.heading, context: context, on: .recordings, view.values))
    }
    let view = JobView(key: key, recording: archived?.recording, job: job, identity: identity)
    // A page for people, but no recording: programs that look at the status alone must not take it for one.
    let status: HTTPResponse.Status = job == nil ? .notFound : .ok
    return .html(
      try pages.page("job", title: view.heading, context: context, on: .recordings, view.values), status: status)
  }
}
