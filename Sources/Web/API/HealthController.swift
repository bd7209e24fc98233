import HTTPTypes
import Hummingbird

/// The two addresses that are open to everybody.
struct HealthController {
  let services: WebServices

  private struct Health: Encodable {
    let status: String
    let problems: [String]
  }

  func addRoutes(to group: RouterGroup<WebContext>) {
    group.get("livez") { _, _ in Response.json(Health(status: "alive", problems: [])) }
    group.get("readyz") { _, _ in
      let problems = await services.readiness()
      return Response.json(
        Health(status: problems.isEmpty ? "ready" : "not ready", problems: problems),
        status: problems.isEmpty ? .ok : .serviceUnavailable)
    }
  }
}
