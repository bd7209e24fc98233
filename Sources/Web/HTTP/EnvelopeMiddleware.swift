import HTTPTypes
import Hummingbird
import Logging
import Metrics
import Model
import NIOCore

/// Around every request: its id, its log line, its metrics, the headers that every answer has, and errors as answers.
struct EnvelopeMiddleware: RouterMiddleware {
  typealias Context = WebContext

  let proxies: TrustedProxies
  let pages: PageRenderer

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
      response = answer(error, to: request, context: context)
    }
    addHeaders(to: &response, requestID: context.requestID)
    report(request, response, context: context, took: .now - start, failure: failure)
    return response
  }

  private func wrapped(_ error: any Error) -> TapedeckError {
    switch error {
    case let error as TapedeckError: error
    case is CancellationError: TapedeckError(.shuttingDown)
    case is NIOTooManyBytesError: TapedeckError(.requestTooLarge, cause: error)
    case let error as HTTPError where error.status == .notFound: TapedeckError(.notFound, cause: error)
    case let error as HTTPError where error.status == .contentTooLarge: TapedeckError(.requestTooLarge, cause: error)
    case let error as HTTPError where error.status == .methodNotAllowed: TapedeckError(.methodNotAllowed, cause: error)
    case let error as HTTPError where error.status.code < 500:
      TapedeckError(.invalidRequest, detail: error.body, cause: error)
    default: TapedeckError(.internalError, detail: "\(error)", cause: error)
    }
  }

  private func answer(_ error: TapedeckError, to request: Request, context: WebContext) -> Response {
    guard request.wantsPage else { return Problem(error, requestID: context.requestID).response(error) }
    if error.code == .unauthenticated, request.method == .get {
      return .seeOther("/login?next=\(queryEncoded(request.uri.description))")
    }
    return pages.error(error, context: context)
  }

  private func addHeaders(to response: inout Response, requestID: String) {
    response.headers[.requestID] = requestID
    response.headers[.xContentTypeOptions] = "nosniff"
    response.headers[.contentSecurityPolicy] = contentSecurityPolicy
    for (name, value) in fixedHeaders { response.headers[name] = value }
  }

  private func report(
    _ request: Request, _ response: Response, context: WebContext, took: Duration, failure: TapedeckError?
  ) {
    let route = context.coreContext.endpointPath.value ?? "none"
    let status = response.status.code
    Counter(
      label: "tapedeck_http_requests_total",
      dimensions: [("method", methodLabel(request.method)), ("route", route), ("status", "\(status)")]
    ).increment()
    Recorder(label: "tapedeck_http_request_seconds", dimensions: [("route", route)]).record(took.inSeconds)
    var metadata: Logger.Metadata = [
      "method": "\(request.method.rawValue)", "path": "\(request.uri.path)", "status": "\(status)",
      "duration_ms": "\(took.milliseconds)",
    ]
    if let failure {
      metadata["code"] = "\(failure.code.rawValue)"
      metadata["reason"] = "\(failure.message)"
      if let detail = failure.detail { metadata["detail"] = "\(detail)" }
    }
    context.logger.log(level: level(failure?.code), "request", metadata: metadata)
  }

  /// Clients make up methods; each new label would be memory that is never given back.
  private func methodLabel(_ method: HTTPRequest.Method) -> String {
    [.get, .head, .post, .put, .delete, .patch, .options].contains(method) ? method.rawValue : "other"
  }

  /// Answers that went well are of interest only to somebody who looks for them: the access log keeps who did what.
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

private let contentSecurityPolicy =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self'; connect-src 'self'; "
  + "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

private let fixedHeaders: [(HTTPField.Name, String)] = [
  (HTTPField.Name("Referrer-Policy")!, "no-referrer"),  // The name is a valid token.
  (HTTPField.Name("X-Frame-Options")!, "DENY"),  // The name is a valid token.
  (HTTPField.Name("Cross-Origin-Opener-Policy")!, "same-origin"),  // The name is a valid token.
  (HTTPField.Name("Cross-Origin-Resource-Policy")!, "same-origin"),  // The name is a valid token.
]

extension Request {
  /// Whether a person with a browser asked for a page, rather than a program for an answer.
  var wantsPage: Bool {
    let path = uri.path
    let isPage =
      ["/", "/audit", "/coverage", "/platform", "/login", "/logout"].contains(path) || path.hasPrefix("/play/")
    return isPage && (headers[.accept]?.contains("text/html") ?? false)
  }
}

/// A value as it may stand in a query.
func queryEncoded(_ text: String) -> String {
  let digits = Array("0123456789ABCDEF".utf8)
  var out: [UInt8] = []
  for byte in text.utf8 {
    switch byte {
    case 0x41...0x5A, 0x61...0x7A, 0x30...0x39, 0x2D, 0x2E, 0x5F, 0x7E: out.append(byte)
    default: out += [0x25, digits[Int(byte >> 4)], digits[Int(byte & 15)]]
    }
  }
  return String(decoding: out, as: UTF8.self)
}
