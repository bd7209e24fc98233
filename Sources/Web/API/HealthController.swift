import HTTPTypes
import Hummingbird

/// Whether the process is alive, and whether it can do its work.
struct HealthController {
  let readiness: @Sendable () async -> [String]

  private struct Health: Encodable {
    static let schema = Schema.object("Health", ["status": .string, "problems": .list(.string)])
    let status: String
    let problems: [String]
  }

  var routes: [Route] {
    [
      .open(.get, "/livez", .api, "Whether the process is running.", responses: [.json(Health.schema)]) { _ in
        Response.json(Health(status: "alive", problems: []))
      },
      .open(
        .get, "/readyz", .api, "Whether the server is ready; 503 with the reasons when it is not.",
        responses: [.json(Health.schema), .json(Health.schema, status: 503, "Not ready, with the reasons.")]
      ) { _ in
        let problems = await readiness()
        return Response.json(
          Health(status: problems.isEmpty ? "ready" : "not ready", problems: problems),
          status: problems.isEmpty ? .ok : .serviceUnavailable)
      },
    ]
  }
}
