import Access
import Catalog
import Foundation
import HTTPTypes
import Hummingbird
import Model

/// `GET` and `POST /login`.
struct SignInController {
  let services: WebServices
  let pages: PageRenderer

  /// Holds the form's token until somebody is signed in: another site can neither read nor set it.
  private static let formCookie = "__Host-tapedeck-form"

  func addRoutes(to group: RouterGroup<WebContext>) {
    group.get("login") { request, context in
      try await page(request, context, next: request.uri.queryParameters["next"].map(String.init) ?? "/")
    }
    group.post("login") { request, context in try await signIn(request, context) }
  }

  private func page(
    _ request: Request, _ context: WebContext, next: String, failure: TapedeckError? = nil, name: String? = nil
  ) async throws(TapedeckError) -> Response {
    let token = request.cookies[Self.formCookie]?.value ?? Secret.makeSession().text
    let text = try pages.page(
      "login", title: "Sign in", context: nil,
      [
        "next": localPath(next), "noAccounts": try await !services.catalog.hasAccounts(),
        "signInError": failure?.message, "nameValue": name,
      ], csrf: token)
    var response = Response.html(text, status: failure.map { .init(code: $0.code.httpStatus) } ?? .ok)
    response.setHostCookie(Self.formCookie, token, lasts: .seconds(3600))
    if let wait = failure?.retryAfter { response.headers[.retryAfter] = "\(Int(wait.inSeconds.rounded(.up)))" }
    return response
  }

  private func signIn(_ request: Request, _ context: WebContext) async throws -> Response {
    let form = try await FormBody(request)
    try form.requireToken(request.cookies[Self.formCookie]?.value)
    do throws(TapedeckError) {
      let (secret, lasts) = try await services.authenticator.signIn(
        name: form["name"], password: form["password"], from: context.origin(of: request))
      var response = Response.seeOther(localPath(form["next"]))
      response.setHostCookie(EntranceMiddleware.cookie, secret.text, lasts: lasts)
      response.setHostCookie(Self.formCookie, "", lasts: .zero)
      return response
    } catch {
      guard error.code == .signInRefused || error.code == .signInThrottled else { throw error }
      return try await page(request, context, next: form["next"], failure: error, name: form["name"])
    }
  }

  /// Where to go after signing in: a path of ours, never another site.
  private func localPath(_ path: String) -> String {
    let isLocal =
      path.hasPrefix("/") && !path.hasPrefix("//") && !path.contains("\\")
      && path.unicodeScalars.allSatisfy { (0x21...0x7E).contains($0.value) }
    return isLocal ? path : "/"
  }
}

/// `POST /logout`.
struct SignOutController {
  let services: WebServices

  func addRoutes(to group: RouterGroup<WebContext>) {
    group.post("logout") { request, context in
      guard let session = context.session else { throw TapedeckError(.invalidRequest, "Nobody is signed in here.") }
      try await FormBody(request).requireToken(session.csrf)
      try await services.authenticator.signOut(
        session.secret, of: try context.requireIdentity(), from: context.origin(of: request))
      var response = Response.seeOther("/login")
      response.setHostCookie(EntranceMiddleware.cookie, "", lasts: .zero)
      return response
    }
  }
}

extension Response {
  /// A cookie for this host alone, out of the reach of scripts and of other sites' forms.
  fileprivate mutating func setHostCookie(_ name: String, _ value: String, lasts: Duration) {
    headers.append(
      HTTPField(
        name: .setCookie,
        value: "\(name)=\(value); Path=/; Max-Age=\(Int(lasts.inSeconds)); Secure; HttpOnly; SameSite=Lax"))
  }
}
