package import HTTPTypes
import Hummingbird
import Model

/// Every route that a listener answers.
package struct RouteTable: Sendable {
  package let routes: [Route]

  package init(_ routes: [Route]) { self.routes = routes }

  /// The route of a request; a HEAD request uses the route of GET.
  package func route(_ method: HTTPRequest.Method, _ path: String) -> Route? {
    let method = method == .head ? .get : method
    return matching(path).first { $0.method == method }
  }

  /// The routes whose path has the form of this one, whatever their method. A path with fewer parameters comes first.
  func matching(_ path: String) -> [Route] {
    let segments = path.split(separator: "/")
    return routes.filter { route in
      let own = route.path.split(separator: "/")
      return own.count == segments.count && zip(own, segments).allSatisfy { Self.matches($0, $1) }
    }.sorted { $0.path.count { $0 == "{" } < $1.path.count { $0 == "{" } }
  }

  private static func matches(_ template: Substring, _ segment: Substring) -> Bool {
    guard template.hasPrefix("{"), let end = template.lastIndex(of: "}") else { return template == segment }
    let suffix = template[template.index(after: end)...]
    return segment.hasSuffix(suffix) && segment.count > suffix.count
  }

  /// The methods that a path allows; empty for an unknown path.
  func methods(of path: String) -> [HTTPRequest.Method] {
    let own = matching(path)
    guard let first = own.first else { return [] }
    // Of two paths that match, only the one with fewer parameters counts, as in the router.
    let methods = own.filter { $0.path == first.path }.map(\.method)
    return methods + (methods.contains(.get) ? [.head] : []) + [.options]
  }

  /// Adds every route to a router. Nothing else adds routes.
  func add(to router: Router<WebContext>, behind authentication: AuthenticationMiddleware, admission: Admission) {
    let inside = router.group().add(middleware: authentication)
    for route in routes {
      let handle: @Sendable (Request, WebContext) async throws -> Response = { request, context in
        try await admission.respond(to: request, context, route)
      }
      // `RequestMiddleware` leaves out the body of a response to HEAD.
      for method in route.method == .get ? [.get, .head] : [route.method] {
        if route.access == .open {
          router.on(RouterPath(route.path), method: method, use: handle)
        } else {
          inside.on(RouterPath(route.path), method: method, use: handle)
        }
      }
    }
  }
}

/// Answers a request that no route takes: 405 with `Allow` when its path has routes, and OPTIONS with `Allow`.
struct MethodMiddleware: RouterMiddleware {
  typealias Context = WebContext

  let table: RouteTable

  func handle(
    _ request: Request, context: WebContext, next: @concurrent (Request, WebContext) async throws -> Response
  ) async throws -> Response {
    guard context.coreContext.endpointPath.value == nil else { return try await next(request, context) }
    let methods = table.methods(of: request.uri.path)
    if methods.isEmpty { return try await next(request, context) }
    context.allow.set(methods.map(\.rawValue).joined(separator: ", "))
    guard request.method == .options else { throw TapedeckError(.methodNotAllowed) }
    return Response(status: .noContent, headers: [.cacheControl: "no-store"])
  }
}
