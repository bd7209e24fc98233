import Foundation
import Model
import NIOCore
import NIOHTTP1

/// The calls that a source makes; the raw values are a label of the metrics.
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

  /// What a token must be good for to make this call.
  var scope: String? {
    switch self {
    case .token: nil
    case .search, .recording: AccessCheck.Subject.readScope.rawValue
    case .download: AccessCheck.Subject.downloadScope.rawValue
    }
  }
}

/// An answer of the platform with its whole body. Bodies of errors are kept only as far as they are short.
struct PlatformAnswer: Sendable {
  var status: Int
  var headers: HTTPHeaders
  var body: ByteBuffer

  /// What an answer that is not a success means; nil for a success.
  ///
  /// A 401 is meant as the final one: renewing and repeating come before.
  func failure(of endpoint: Endpoint, scopes: Set<String>?, now: Instant) -> TapedeckError? {
    switch status {
    case ..<200:
      // Interim answers stay in the client; what comes this far is a switch to a protocol that nobody asked for.
      TapedeckError(.platformProtocol, detail: "\(endpoint.rawValue): status \(status)")
    case 200..<300: nil
    case 300..<400:
      TapedeckError(
        .platformProtocol, "The platform redirected a call, which it should not. Check the base URL.",
        detail: "\(endpoint.rawValue): status \(status)")
    case 429: TapedeckError(.platformRateLimited, retryAfter: retryAfter(now: now))
    case 408, 500...: TapedeckError(.platformUnavailable, detail: words(endpoint), retryAfter: retryAfter(now: now))
    case _ where endpoint == .token: credentialsRefused
    case 401:
      TapedeckError(
        .platformCredentialsRefused,
        "The platform refused a token that it had just given. Check the client id and secret, that the base URL is of "
          + "the right environment, and that the client has the scopes 'recording:read' and 'recording:download'.",
        detail: words(endpoint))
    case 403: accessRefused(endpoint, scopes: scopes)
    case 404, 410:
      endpoint == .search
        ? TapedeckError(.platformProtocol, "The platform has no search at this base URL. Check the base URL.")
        : TapedeckError(.unknownRecording)
    default:
      TapedeckError(
        .platformRefused, "The platform refused this request with status \(status).", detail: words(endpoint))
    }
  }

  /// What `Retry-After` says, if there is one that can be read.
  func retryAfter(now: Instant) -> Duration? {
    headers.first(name: "Retry-After")
      .flatMap { RetryAfter.delay($0, answeredAt: headers.first(name: "Date"), now: now) }
  }

  private var credentialsRefused: TapedeckError {
    let hint = status == 404 ? " There is no token call at this base URL." : ""
    return TapedeckError(
      .platformCredentialsRefused, TapedeckError.Code.platformCredentialsRefused.defaultMessage + hint,
      detail: words(.token))
  }

  /// 403 has two meanings; the answer itself or the scopes that came with the token say which.
  private func accessRefused(_ endpoint: Endpoint, scopes: Set<String>?) -> TapedeckError {
    let scope = endpoint.scope ?? ""
    let challenge = headers.first(name: "WWW-Authenticate") ?? ""
    let saysScope = challenge.contains("insufficient_scope") || errorWord?.contains("scope") ?? false
    if let scopes, scopes.contains(scope), !saysScope {
      return TapedeckError(
        .platformRefused,
        "The platform refused this recording. The client has the scope '\(scope)', so the platform's privacy rule does "
          + "not let it have this one.",
        detail: words(endpoint))
    }
    return TapedeckError(
      .platformScopeRefused,
      "The platform refused access. Grant the API client the scope '\(scope)', or, if it has it, check the privacy "
        + "rule of the recording.",
      detail: words(endpoint))
  }

  /// The short name of an error as OAuth and most platforms give it, and nothing that could echo what we sent.
  private var errorWord: String? {
    guard let object = try? JSONSerialization.jsonObject(with: Data(body.readableBytesView)) as? [String: Any],
      let word = (object["error"] ?? object["code"]) as? String, word.utf8.count <= 60,
      word.utf8.allSatisfy({ (0x21...0x7E).contains($0) })
    else { return nil }
    return word
  }

  private func words(_ endpoint: Endpoint) -> String {
    "\(endpoint.rawValue): status \(status)" + (errorWord.map { ", error '\($0)'" } ?? "")
  }
}
