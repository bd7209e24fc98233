import HTTPTypes
import Hummingbird
import Model
import NIOCore

/// `/metrics` in the text format of Prometheus.
struct MetricsController {
  let renderMetrics: @Sendable () async -> String

  private static let responses = [ResponseDescription.other("text/plain", "The metrics.")]
  private static let summary = "The metrics as Prometheus text."

  var routes: [Route] {
    [
      .admitted(
        .get, "/metrics", .api, permission: .readMetrics, log: .denials, Self.summary, responses: Self.responses
      ) { _ in Reply(await response()) }
    ]
  }

  /// The same without authentication.
  var openRoute: Route {
    .open(.get, "/metrics", .api, Self.summary, responses: Self.responses) { _ in await response() }
  }

  private func response() async -> Response {
    Response(
      status: .ok,
      headers: [.contentType: "text/plain; version=0.0.4; charset=utf-8", .cacheControl: "no-store"],
      body: .init(byteBuffer: ByteBuffer(string: await renderMetrics())))
  }
}
