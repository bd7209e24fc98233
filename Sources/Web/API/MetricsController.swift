import HTTPTypes
import Hummingbird
import Model
import NIOCore

/// `/metrics` in Prometheus' text format, for API tokens of the role `metrics` and for administrators.
struct MetricsController {
  let services: WebServices

  func addRoutes(to group: RouterGroup<WebContext>) {
    group.get("metrics") { request, context in
      let identity = try context.requireIdentity()
      guard Policy.mayReadMetrics(identity) else { try await services.deny(request, context) }
      return await response()
    }
  }

  func response() async -> Response {
    Response(
      status: .ok,
      headers: [.contentType: "text/plain; version=0.0.4; charset=utf-8", .cacheControl: "no-store"],
      body: .init(byteBuffer: ByteBuffer(string: await services.renderMetrics())))
  }
}
