import Model
import NIOHTTP1

/// What the errors of the contract `media-playback` mean.
enum MediaPlaybackFailures {
  /// The calls of the contract.
  enum Call: String, Sendable {
    case signIn = "sign-in"
    case discovery, contacts, files, media

    /// The name in metrics and the kind of request in the budget.
    var endpoint: Endpoint {
      switch self {
      case .signIn, .discovery: .token
      case .contacts, .files: .search
      case .media: .recording
      }
    }
  }

  /// NICE's names of the permissions that the user of the access key needs. The menu has two names.
  enum Permission {
    static let play = """
      'Search & Playback > Player > Play/download recordings: Play Any' (in some tenants 'Interactions Hub > Player > \
      Play/download recordings: Play Any')
      """
    static let metadata = """
      'Search & Playback > API > Extract interaction metadata' (in some tenants 'Interactions Hub > API > Extract \
      interaction metadata')
      """
    static let accessKey = """
      'Admin > General Permissions > Access Key: Create' or 'My Access Key: Create'
      """
  }

  /// The error for a response that is not a success; nil for a success. A 401 counts as final.
  static func failure(_ answer: PlatformAnswer, of call: Call, now: Instant) -> TapedeckError? {
    let detail = detail(answer, of: call)
    let retryAfter = answer.retryAfter(now: now)
    return switch answer.status {
    case 200..<300: nil
    case ..<400:
      TapedeckError(
        .platformProtocol, "The platform redirected a call. Check CXONE_ISSUER_URL, CXONE_ACD_URL and CXONE_AREA_URL.",
        detail: detail)
    case 429: TapedeckError(.platformRateLimited, detail: detail, retryAfter: retryAfter)
    case 408, 500...: TapedeckError(.platformUnavailable, detail: detail, retryAfter: retryAfter)
    case _ where call == .signIn: signInRefused(answer, detail: detail)
    case 401:
      TapedeckError(
        .platformCredentialsRefused,
        "The platform refused a token that it had just issued. Check that CXONE_ACD_URL and CXONE_AREA_URL belong to "
          + "the tenant that issued it.",
        detail: detail, cause: TokenRefusal())
    case 403: accessRefused(call, detail: detail)
    case 404 where call == .contacts:
      TapedeckError(
        .platformProtocol, "There is no search for contacts at this address. Check CXONE_ACD_URL.", detail: detail)
    case 404, 410: TapedeckError(.unknownRecording, detail: detail)
    default:
      TapedeckError(
        .platformRefused, "The platform refused this request with status \(answer.status).", detail: detail)
    }
  }

  /// Wrong access keys are 400 `invalid_grant`, and a wrong application is 401 `invalid_client`.
  private static func signInRefused(_ answer: PlatformAnswer, detail: String) -> TapedeckError {
    let message =
      switch (answer.status, answer.errorCode) {
      case (_, "invalid_client"?), (401, nil):
        "The platform refused the application. Check CXONE_CLIENT_ID and CXONE_CLIENT_SECRET."
      case (_, "invalid_grant"?), (401, _), (403, _):
        "The platform refused the access key. Check CXONE_ACCESS_KEY_ID and CXONE_ACCESS_KEY_SECRET, and that its user "
          + "is active and has the permission \(Permission.accessKey)."
      case (404, _):
        "There is no sign-in at this address. Check CXONE_ISSUER_URL; without a client ID, check CXONE_AREA_URL."
      default:
        "The platform refused the sign-in. Check CXONE_ACCESS_KEY_ID, CXONE_ACCESS_KEY_SECRET, CXONE_CLIENT_ID and "
          + "CXONE_CLIENT_SECRET."
      }
    return TapedeckError(.platformCredentialsRefused, message, detail: detail)
  }

  private static func accessRefused(_ call: Call, detail: String) -> TapedeckError {
    let remedy =
      switch call {
      case .media: "the permissions \(Permission.play) and \(Permission.metadata)"
      case .files: "the permission \(Permission.play)"
      case .signIn, .discovery, .contacts: "a role that may read the reporting API (contacts/completed)"
      }
    return TapedeckError(
      .platformScopeRefused, "The platform refused access. Give the user of the access key \(remedy).", detail: detail)
  }

  /// What the log says about an answer: short codes and the platform's header, never parts of the request.
  private static func detail(_ answer: PlatformAnswer, of call: Call) -> String {
    var text = "\(call.rawValue): status \(answer.status)"
    if let code = answer.errorCode { text += ", error '\(code)'" }
    let body = LenientObject(PlatformJSON.object(answer.body))
    if let code = body?.text("internalCode"), code.utf8.count <= 60 { text += ", code '\(code.onOneLine)'" }
    if let reason = answer.headers.first(name: "icStatusDescription"), !reason.isEmpty {
      text += ", '\(Redactor.shared.redact(String(reason.prefix(200)).onOneLine))'"
    }
    return text
  }
}
