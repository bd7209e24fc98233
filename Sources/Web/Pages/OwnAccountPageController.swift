import Access
import Catalog
import Foundation
import HTTPTypes
import Hummingbird
import Model

/// `GET /account`, `POST /account/password` and `POST /account/time-zone`: the account of the signed-in user.
struct OwnAccountPageController {
  let catalog: Catalog
  let authenticator: Authenticator
  /// The time zones of the sources.
  let sourceZones: [CalendarZone]
  let pages: PageRenderer

  var routes: [Route] {
    [
      .admitted(.get, "/account", .page, permission: nil, log: .denials, "The user's own account.") { admitted in
        Reply(try page(admitted))
      },
      .admitted(
        .post, "/account/password", .page, permission: nil, log: .change(.changePassword),
        "Changes the caller's password and ends the account's other sessions.", body: .form
      ) { admitted in
        let form = try await admitted.form()
        guard form["newPassword"] == form["repeated"] else {
          return Reply(
            try page(admitted, failure: TapedeckError(.invalidRequest, "The new passwords do not match.")))
        }
        do throws(TapedeckError) {
          try await authenticator.changePassword(
            of: admitted.identity, from: form["currentPassword"], to: form["newPassword"],
            keeping: admitted.context.session?.secret, from: admitted.incoming.origin)
        } catch {
          guard [.invalidRequest, .signInRefused, .signInThrottled].contains(error.code) else { throw error }
          return Reply(try page(admitted, failure: error))
        }
        return Reply(try page(admitted, notice: "The password has been changed. Your other sessions have ended."))
      },
      .admitted(
        .post, "/account/time-zone", .page, permission: nil, log: .denials, "Changes the time zone of pages.",
        body: .form
      ) { admitted in
        let change = Preferences(timeZone: try await admitted.form()["timeZone"])
        do throws(TapedeckError) { try change.validate() } catch {
          return Reply(try page(admitted, failure: error))
        }
        try await catalog.changePreferences(of: admitted.identity.id, to: change)
        let preferences = admitted.context.preferences.applying(change)
        admitted.context.preferences = preferences
        return Reply(try page(admitted, notice: "Times are shown in \(preferences.zone) from now on."))
      },
    ]
  }

  private func page(
    _ admitted: Admitted<Void>, failure: TapedeckError? = nil, notice: String? = nil
  ) throws(TapedeckError) -> Response {
    let identity = admitted.identity
    let preferences = admitted.context.preferences
    let suggested = suggestedZones(preferences)
    // The chosen zone is selected once.
    let listed = suggested.contains { $0["selected"] as? Bool == true } ? nil : preferences.timeZone
    let text = try pages.page(
      "account", title: "Your account", context: admitted.context,
      [
        "failure": failure?.message, "notice": notice, "accountName": identity.name,
        "accountRole": identity.role.title, "agentText": identity.agentID, "teamText": identity.team,
        "hasPassword": identity.kind == .account, "suggestedZones": suggested,
        "zones": Self.zones.map {
          ["value": $0, "text": $0.replacing("_", with: " "), "selected": $0 == listed]
        },
      ])
    var response = Response.html(text, status: failure.map { .init(code: $0.code.httpStatus) } ?? .ok)
    if let wait = failure?.retryAfter { response.headers[.retryAfter] = "\(Int(wait.inSeconds.rounded(.up)))" }
    return response
  }

  /// Every zone that a person may choose. Foundation lists some zones under former names only.
  private static let zones = Set(
    TimeZone.knownTimeZoneIdentifiers + [
      "America/Argentina/Buenos_Aires", "America/Indiana/Indianapolis", "America/Kentucky/Louisville", "America/Nuuk",
      "Asia/Ho_Chi_Minh", "Asia/Kathmandu", "Asia/Kolkata", "Asia/Yangon", "Atlantic/Faroe", "Europe/Kyiv",
    ]
  ).filter { CalendarZone($0) != nil }.sorted()

  /// The browser's zone, UTC, and the zones of the sources.
  private func suggestedZones(_ preferences: Preferences) -> [[String: Any]] {
    let chosen = preferences.timeZone ?? Preferences.browserZone
    let browser = preferences.browserTimeZone ?? "not known yet"
    var choices = [(Preferences.browserZone, "Browser (\(browser))"), ("UTC", "UTC")]
    for zone in sourceZones where !choices.contains(where: { $0.0 == zone.name }) {
      choices.append((zone.name, "Source (\(zone))"))
    }
    if !choices.contains(where: { $0.0 == chosen }), !Self.zones.contains(chosen) { choices.append((chosen, chosen)) }
    return choices.map { ["value": $0.0, "text": $0.1, "selected": $0.0 == chosen] }
  }
}
