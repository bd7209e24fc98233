import Foundation
import Model
import NIOCore
import NIOHTTP1

/// The platform calls of a source; raw values are labels of the metrics.
enum Endpoint: String, Sendable {
  case token, search, recording, download

  var requestClass: RequestClass {
    switch self {
    case .token: .token
    case .search: .search
    case .recording: .metadata
    case .download: .download
    }
  }

  /// The scope that a token needs for this call.
  var scope: String? {
    switch self {
    case .token: nil
    case .search, .recording: AccessCheck.Subject.readScope.rawValue
    case .download: AccessCheck.Subject.downloadScope.rawValue
    }
  }
}

/// A platform response with its complete body; long error bodies are dropped.
struct PlatformAnswer: Sendable {
  var status: Int
  var headers: HTTPHeaders
  var body: ByteBuffer

  /// Whether the response asks for another address.
  var isRedirect: Bool { [301, 302, 303, 307, 308].contains(status) }

  /// Whether the whole body is known to have arrived, and its type, where there is one, is JSON. An empty body proves
  /// nothing otherwise.
  var hasProvenBody: Bool {
    let transfer = headers[canonicalForm: "Transfer-Encoding"].last?.lowercased()
    guard headers.contains(name: "Content-Length") || transfer == "chunked" else { return false }
    return headers.first(name: "Content-Type").map { $0.isEmpty || $0.lowercased().contains("json") } ?? true
  }

  /// Whether the token call does not accept the client as it was sent.
  var refusesClient: Bool { status == 401 || errorCode == "invalid_client" }

  func redirectTarget(relativeTo address: String) -> PlatformAddress? {
    headers.first(name: "Location").flatMap { PlatformAddress(location: $0, relativeTo: address) }
  }

  /// The error for a response that is not a success; nil for a success.
  ///
  /// A 401 counts as final: renewing the token and repeating the request happen before.
  func failure(of endpoint: Endpoint, scopes: Set<String>?, now: Instant) -> TapedeckError? {
    switch status {
    case ..<200:
      // The client handles interim responses; what arrives here is an unrequested switch of protocols.
      TapedeckError(.platformProtocol, detail: "\(endpoint.rawValue): status \(status)")
    case 200..<300: nil
    case 300..<400:
      TapedeckError(
        .platformProtocol, "The platform redirected a call to another origin, or too often. Check the base URL.",
        detail: "\(endpoint.rawValue): status \(status)")
    case 429: TapedeckError(.platformRateLimited, retryAfter: retryAfter(now: now))
    case 408, 500...: TapedeckError(.platformUnavailable, detail: detail(endpoint), retryAfter: retryAfter(now: now))
    case _ where endpoint == .token: credentialsRefused
    case 401:
      TapedeckError(
        .platformCredentialsRefused,
        "The platform refused a token that it had just issued. Check the client ID and secret, that the base URL "
          + "belongs to the right environment, and that the client has the scopes 'recording:read' and "
          + "'recording:download'.",
        detail: detail(endpoint), cause: TokenRefusal())
    case 403: accessRefused(endpoint, scopes: scopes)
    case 409, 423, 425: endpoint == .search ? refused(endpoint) : notYetAvailable(endpoint, now: now)
    case 404, 410:
      endpoint == .search
        ? TapedeckError(.platformProtocol, "There is no search endpoint at this base URL. Check the base URL.")
        : TapedeckError(.unknownRecording, detail: detail(endpoint), retryAfter: retryAfter(now: now))
    default: refused(endpoint)
    }
  }

  private func refused(_ endpoint: Endpoint) -> TapedeckError {
    TapedeckError(
      .platformRefused, "The platform refused this request with status \(status).", detail: detail(endpoint))
  }

  /// The error for a response that has no recording, but does not say that there is none.
  func notYetAvailable(_ endpoint: Endpoint, now: Instant) -> TapedeckError {
    TapedeckError(
      .notYetAvailable, "The platform does not provide this recording yet (status \(status)). It is requested again.",
      detail: detail(endpoint), retryAfter: retryAfter(now: now))
  }

  /// The delay in `Retry-After`; nil when it is absent or malformed.
  func retryAfter(now: Instant) -> Duration? {
    headers.first(name: "Retry-After")
      .flatMap { RetryAfter.delay($0, answeredAt: headers.first(name: "Date"), now: now) }
  }

  private var credentialsRefused: TapedeckError {
    let hint = status == 404 ? " There is no token endpoint at this base URL." : ""
    return TapedeckError(
      .platformCredentialsRefused, TapedeckError.Code.platformCredentialsRefused.defaultMessage + hint,
      detail: detail(.token))
  }

  /// 403 has two causes; the response or the token's scopes distinguish them.
  private func accessRefused(_ endpoint: Endpoint, scopes: Set<String>?) -> TapedeckError {
    let scope = endpoint.scope ?? ""
    let challenge = headers.first(name: "WWW-Authenticate") ?? ""
    let saysScope = challenge.contains("insufficient_scope") || errorCode?.contains("scope") ?? false
    if let scopes, scopes.contains(scope), !saysScope {
      return TapedeckError(
        .platformRefused,
        "The platform refused this recording. The client has the scope '\(scope)', so a privacy rule of the platform "
          + "denies access to it.",
        detail: detail(endpoint))
    }
    return TapedeckError(
      .platformScopeRefused,
      "The platform refused access. Grant the API client the scope '\(scope)'; if it has that scope, check the "
        + "privacy rule of the recording.",
      detail: detail(endpoint))
  }

  /// The short error code as OAuth and most platforms send it; never text that could repeat parts of the request.
  var errorCode: String? {
    guard let object = try? JSONSerialization.jsonObject(with: Data(body.readableBytesView)) as? [String: Any],
      let code = (object["error"] ?? object["code"]) as? String, code.utf8.count <= 60,
      code.utf8.allSatisfy({ (0x21...0x7E).contains($0) })
    else { return nil }
    return code
  }

  private func detail(_ endpoint: Endpoint) -> String {
    "\(endpoint.rawValue): status \(status)" + (errorCode.map { ", error '\($0)'" } ?? "")
  }
}
