import HTTPTypes
import Hummingbird
import Logging
import Model
import NIOCore
import NIOHTTP1

/// Gives every request its ID, log line and metrics, and every response its headers; turns errors into responses.
struct RequestMiddleware: RouterMiddleware {
  typealias Context = WebContext

  let proxies: TrustedProxies
  let pages: PageRenderer
  let table: RouteTable
  let authentication: AuthenticationMiddleware
  /// Whether browsers reach the listener by https only, so that they may refuse http from now on.
  let isEncrypted: Bool
  private let metrics = RequestMetrics()

  func handle(
    _ request: Request, context: WebContext, next: @concurrent (Request, WebContext) async throws -> Response
  ) async throws -> Response {
    var context = context
    context.clientAddress = proxies.clientAddress(of: request, peer: context.clientAddress)
    context.logger[metadataKey: "request_id"] = "\(context.requestID)"
    let start = ContinuousClock.now
    var response: Response
    var failure: TapedeckError?
    do {
      response = try await next(request, context)
    } catch {
      let error = wrapped(error)
      failure = error
      response = await answer(error, to: request, context: context)
    }
    if let allow = context.allow.value { response.headers[.allow] = allow }
    addHeaders(to: &response, requestID: context.requestID)
    report(request, response, context: context, took: .now - start, failure: failure)
    return request.method == .head ? response.withoutBody : response
  }

  private func wrapped(_ error: any Error) -> TapedeckError {
    switch error {
    case let error as TapedeckError: error
    case is CancellationError: TapedeckError(.shuttingDown)
    // The client sent a malformed body, or closed the connection before its end.
    case is HTTPParserError, is IOError, is ChannelError:
      TapedeckError(
        .invalidRequest, "The body of the request is malformed or was cut off.", detail: "\(error)", cause: error)
    case is NIOTooManyBytesError: TapedeckError(.requestTooLarge, cause: error)
    case let error as HTTPError where error.status == .notFound: TapedeckError(.notFound, cause: error)
    case let error as HTTPError where error.status == .contentTooLarge: TapedeckError(.requestTooLarge, cause: error)
    case let error as HTTPError where error.status == .methodNotAllowed: TapedeckError(.methodNotAllowed, cause: error)
    case let error as HTTPError where error.status.code < 500:
      TapedeckError(.invalidRequest, detail: error.body, cause: error)
    default: TapedeckError(.internalError, detail: "\(error)", cause: error)
    }
  }

  private func answer(_ error: TapedeckError, to request: Request, context: WebContext) async -> Response {
    guard wantsPage(request) else { return Problem(error, requestID: context.requestID).response(error) }
    // A request that no route takes is not authenticated, but its page has the navigation of a signed-in user. Failing
    // to find the session must not hide the error.
    if context.identity == nil, error.code != .unauthenticated, authentication.listener == .network {
      try? await authentication.identify(request, context)
    }
    if error.code == .unauthenticated, request.method == .get || request.method == .head {
      return .seeOther("/login?next=\(percentEncoded(returnAddress(of: request)))")
    }
    return pages.error(error, context: context)
  }

  /// The address to open after signing in: the page with the parameters that it takes. Another address must not repeat
  /// a token that was sent in one.
  private func returnAddress(of request: Request) -> String {
    let path = request.uri.path
    guard !hasSecret(path) else { return "/" }
    let known = table.route(.get, path)?.query.map(\.name) ?? []
    let fields = (request.uri.query ?? "").split(separator: "&").filter { field in
      formFields(String(field)).allSatisfy { known.contains($0.name) && !hasSecret($0.value) }
    }
    return fields.isEmpty ? path : "\(path)?\(fields.joined(separator: "&"))"
  }

  private func hasSecret(_ text: String) -> Bool { Redactor.shared.redactSecrets(text) != text }

  /// Whether a browser asks for a page, or for a path that does not exist.
  private func wantsPage(_ request: Request) -> Bool {
    guard request.headers[.accept]?.contains("text/html") ?? false else { return false }
    return table.matching(request.uri.path).first.map { $0.kind == .page } ?? true
  }

  private func addHeaders(to response: inout Response, requestID: String) {
    response.headers.append(HTTPField(name: .requestID, value: requestID))
    // No handler sets any of these.
    for field in fixedHeaders { response.headers.append(field) }
    if isEncrypted { response.headers.append(strictTransportSecurity) }
  }

  private func report(
    _ request: Request, _ response: Response, context: WebContext, took: Duration, failure: TapedeckError?
  ) {
    let route = context.coreContext.endpointPath.value ?? "none"
    let status = response.status.code
    metrics.record(request.method, route: route, status: status, took: took)
    let level = level(failure?.code)
    guard context.logger.logLevel <= level else { return }
    var metadata: Logger.Metadata = [
      "method": "\(request.method.rawValue.shortened(toBytes: 32))",
      "path": "\(request.uri.path.shortened(toBytes: Self.maxLoggedBytes))", "status": "\(status)",
      "duration_ms": "\(took.milliseconds)",
    ]
    if let failure {
      metadata["code"] = "\(failure.code.rawValue)"
      metadata["reason"] = "\(failure.message.shortened(toBytes: Self.maxLoggedBytes))"
      if let detail = failure.detail { metadata["detail"] = "\(detail.shortened(toBytes: Self.maxLoggedBytes))" }
    }
    context.logger.log(level: level, "request", metadata: metadata)
  }

  /// How much of a text that a client can make long is logged.
  private static let maxLoggedBytes = 500

  /// Successful requests are logged for debugging only, as the access log records who did what.
  private func level(_ code: TapedeckError.Code?) -> Logger.Level {
    switch code?.severity {
    case nil, .debug: .debug
    case .info: .info
    case .warning: .warning
    case .error: .error
    case .critical: .critical
    }
  }
}

extension Response {
  /// The response to HEAD instead of GET. Its length is that of the body, and not stated when that is not known.
  fileprivate var withoutBody: Response {
    var response = self
    response.body = ResponseBody(contentLength: body.contentLength) { writer in try await writer.finish(nil) }
    return response
  }
}

private let contentSecurityPolicy =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self'; connect-src 'self'; "
  + "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

private let strictTransportSecurity = HTTPField(name: .strictTransportSecurity, value: "max-age=31536000")

private let fixedHeaders = [
  HTTPField(name: .xContentTypeOptions, value: "nosniff"),
  HTTPField(name: .contentSecurityPolicy, value: contentSecurityPolicy),
  HTTPField(name: HTTPField.Name("Referrer-Policy")!, value: "no-referrer"),  // The name is a valid token.
  HTTPField(name: HTTPField.Name("X-Frame-Options")!, value: "DENY"),  // The name is a valid token.
  HTTPField(name: HTTPField.Name("Cross-Origin-Opener-Policy")!, value: "same-origin"),  // The name is a valid token.
  HTTPField(name: HTTPField.Name("Cross-Origin-Resource-Policy")!, value: "same-origin"),  // The name is a valid token.
]
