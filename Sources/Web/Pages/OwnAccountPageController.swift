import Access
import HTTPTypes
import Hummingbird
import Model

/// `GET /account` and `POST /account/password`: the own account of a signed-in user.
struct OwnAccountPageController {
  let authenticator: Authenticator
  let pages: PageRenderer

  var routes: [Route] {
    [
      .admitted(.get, "/account", .page, permission: nil, log: .denials, "The own account.") { admitted in
        Reply(try page(admitted))
      },
      .admitted(
        .post, "/account/password", .page, permission: nil, log: .change(.changePassword),
        "Changes the own password and ends the other sessions.", body: .form
      ) { admitted in
        let form = try await admitted.form()
        guard form["newPassword"] == form["repeated"] else {
          return Reply(
            try page(admitted, failure: TapedeckError(.invalidRequest, "The two new passwords differ.")))
        }
        do throws(TapedeckError) {
          try await authenticator.changePassword(
            of: admitted.identity, from: form["currentPassword"], to: form["newPassword"],
            keeping: admitted.context.session?.secret, from: admitted.incoming.origin)
        } catch {
          guard [.invalidRequest, .signInRefused, .signInThrottled].contains(error.code) else { throw error }
          return Reply(try page(admitted, failure: error))
        }
        return Reply(try page(admitted, isChanged: true))
      },
    ]
  }

  private func page(
    _ admitted: Admitted<Void>, failure: TapedeckError? = nil, isChanged: Bool = false
  ) throws(TapedeckError) -> Response {
    let identity = admitted.identity
    let text = try pages.page(
      "account", title: "Your account", context: admitted.context,
      [
        "failure": failure?.message, "isChanged": isChanged, "accountName": identity.name,
        "accountRole": identity.role.title, "agentText": identity.agentID, "teamText": identity.team,
        "hasPassword": identity.kind == .account,
      ])
    var response = Response.html(text, status: failure.map { .init(code: $0.code.httpStatus) } ?? .ok)
    if let wait = failure?.retryAfter { response.headers[.retryAfter] = "\(Int(wait.inSeconds.rounded(.up)))" }
    return response
  }
}
