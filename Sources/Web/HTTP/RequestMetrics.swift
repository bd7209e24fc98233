import HTTPTypes
import Metrics
import Model
import Synchronization

/// The metrics of requests. They are kept, since finding them by their labels takes longer than counting.
final class RequestMetrics: Sendable {
  private struct Key: Hashable {
    var route: String
    var method: HTTPRequest.Method
    var status: Int
  }

  private let known = Mutex<[Key: (requests: Counter, seconds: Recorder)]>([:])

  func record(_ method: HTTPRequest.Method, route: String, status: Int, took: Duration) {
    // Clients can invent methods, and each new label would use memory that is never freed.
    let isKnown = [.get, .head, .post, .put, .delete, .patch, .options].contains(method)
    let key = Key(route: route, method: isKnown ? method : Self.other, status: status)
    let metrics = known.withLock { known in
      if let metrics = known[key] { return metrics }
      let metrics = (
        requests: Counter(
          label: "tapedeck_http_requests_total",
          dimensions: [("method", isKnown ? method.rawValue : "other"), ("route", route), ("status", "\(status)")]),
        seconds: Recorder(label: "tapedeck_http_request_seconds", dimensions: [("route", route)])
      )
      known[key] = metrics
      return metrics
    }
    metrics.requests.increment()
    metrics.seconds.record(took.inSeconds)
  }

  private static let other = HTTPRequest.Method("OTHER")!  // The name is a valid token.
}
