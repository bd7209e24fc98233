import Foundation
import HTTPTypes
import Hummingbird
import NIOCore

extension SandboxTenant {
  /// `/sandbox/faults`, `/sandbox/requests`, `/sandbox/limit`, `/sandbox/recordings` and `/sandbox/reset`: no token,
  /// not counted, never limited. The tenant listens on loopback.
  func addControlEndpoints(to router: Router<SandboxContext>) {
    let control = router.group("/sandbox").add(middleware: NoBrowsers())
    control.post("/faults") { request, _ in
      guard let body = try? await request.body.collect(upTo: 65_536) else {
        return Refusal(.contentTooLarge, "invalid_request", "The rule is too long.").response
      }
      do {
        let rule = try JSONDecoder().decode(FaultRule.self, from: Data(body.readableBytesView))
        faults.add(rule)
        return .json(rule, status: .created)
      } catch {
        let names = FaultRule.Fault.allCases.map(\.rawValue).joined(separator: ", ")
        return Refusal(.badRequest, "invalid_request", "Invalid rule: \(error). Faults: \(names).").response
      }
    }
    control.get("/faults") { _, _ in Response.json(["faults": faults.rules]) }
    control.delete("/faults") { _, _ in
      faults.clear()
      return Response(status: .noContent)
    }
    control.put("/limit") { request, _ in
      guard let body = try? await request.body.collect(upTo: 65_536),
        let terms = try? JSONDecoder().decode(RateLimit.Terms.self, from: Data(body.readableBytesView)),
        terms.problem == nil
      else {
        return Refusal(.badRequest, "invalid_request", #"Invalid limit. Write for example {"rate": 5, "burst": 10}."#)
          .response
      }
      limit.change(to: terms)
      return .json(terms)
    }
    control.delete("/limit") { _, _ in
      limit.change(to: nil)
      return Response(status: .noContent)
    }
    addFileEndpoint(to: control)
    control.post("/reset") { _, _ in
      reset()
      return Response(status: .noContent)
    }
    control.get("/requests") { _, _ in Response.json(statistics.snapshot) }
    control.delete("/requests") { _, _ in
      statistics.reset()
      return Response(status: .noContent)
    }
  }
}

/// Prevents pages of other sites that are open on this machine from reaching the control endpoints.
private struct NoBrowsers<Context: RequestContext>: RouterMiddleware {
  func handle(
    _ request: Request, context: Context, next: @concurrent (Request, Context) async throws -> Response
  ) async throws -> Response {
    guard request.headers[.origin] == nil else {
      return Refusal(.forbidden, "forbidden", "Requests from web pages are not allowed.").response
    }
    return try await next(request, context)
  }
}
