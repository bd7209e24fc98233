import Access
import Catalog
import Foundation
import HTTPTypes
import Hummingbird
import Model

/// `GET` and `POST /login`, and `POST /logout`.
struct SignInController {
  let catalog: Catalog
  let authenticator: Authenticator
  let pages: PageRenderer

  /// Holds the token of the sign-in form, which another site can neither read nor set.
  private static let formCookie = "__Host-tapedeck-form"

  var routes: [Route] {
    [
      .open(
        .get, "/login", .page, "The sign-in page.",
        query: [QueryParameter("next", .text, "The page to open after signing in.")]
      ) { incoming in
        let next = incoming.query["next"] ?? "/"
        if let secret = incoming.request.cookies[AuthenticationMiddleware.cookie]?.value,
          try await authenticator.session(secret) != nil
        {
          return .seeOther(localPath(next))
        }
        return try await page(incoming.request, next: next)
      },
      .open(.post, "/login", .page, log: .change(.signIn), "Signs in.", body: .form, handler: signIn),
      .admitted(
        .post, "/logout", .page, permission: nil, log: .change(.signOut), "Signs out.", body: .form, handler: signOut),
    ]
  }

  private func page(
    _ request: Request, next: String, failure: TapedeckError? = nil, name: String? = nil
  ) async throws(TapedeckError) -> Response {
    let token = request.cookies[Self.formCookie]?.value ?? Secret.makeSession().text
    let text = try pages.page(
      "login", title: "Sign in", context: nil,
      [
        "next": localPath(next), "noAccounts": try await !catalog.hasAccounts(),
        "signInError": failure?.message, "nameValue": name,
      ], csrf: token)
    var response = Response.html(text, status: failure.map { .init(code: $0.code.httpStatus) } ?? .ok)
    response.setHostCookie(Self.formCookie, token, lasts: .seconds(3600))
    if let wait = failure?.retryAfter { response.headers[.retryAfter] = "\(Int(wait.inSeconds.rounded(.up)))" }
    return response
  }

  private func signIn(_ incoming: Incoming) async throws -> Response {
    let request = incoming.request
    let form = try await FormBody(request)
    try form.requireToken(request.cookies[Self.formCookie]?.value)
    do throws(TapedeckError) {
      let (secret, lasts) = try await authenticator.signIn(
        name: form["name"], password: form["password"],
        // If it is missing, the next page sends it.
        browserZone: CalendarZone(form["timeZone"])?.name, from: incoming.origin)
      var response = Response.seeOther(localPath(form["next"]))
      response.setHostCookie(AuthenticationMiddleware.cookie, secret.text, lasts: lasts)
      response.setHostCookie(Self.formCookie, "", lasts: .zero)
      return response
    } catch {
      guard error.code == .signInRefused || error.code == .signInThrottled else { throw error }
      return try await page(request, next: form["next"], failure: error, name: form["name"])
    }
  }

  private func signOut(_ admitted: Admitted<Void>) async throws -> Reply {
    guard let session = admitted.context.session else {
      throw TapedeckError(.invalidRequest, "This request has no session to end.")
    }
    _ = try await admitted.form()
    try await authenticator.signOut(session.secret, of: admitted.identity, from: admitted.incoming.origin)
    var response = Response.seeOther("/login")
    response.setHostCookie(AuthenticationMiddleware.cookie, "", lasts: .zero)
    return Reply(response)
  }

  /// The page to open after signing in: a path of this server, never another site.
  private func localPath(_ path: String) -> String {
    let isLocal =
      path.hasPrefix("/") && !path.hasPrefix("//") && !path.contains("\\")
      && path.unicodeScalars.allSatisfy { (0x21...0x7E).contains($0.value) }
    return isLocal ? path : "/"
  }
}

extension Response {
  /// Sets a cookie for this host only, hidden from scripts and not sent with other sites' forms.
  fileprivate mutating func setHostCookie(_ name: String, _ value: String, lasts: Duration) {
    headers.append(
      HTTPField(
        name: .setCookie,
        value: "\(name)=\(value); Path=/; Max-Age=\(Int(lasts.inSeconds)); Secure; HttpOnly; SameSite=Lax"))
  }
}
