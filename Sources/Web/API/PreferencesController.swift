import Access
import Catalog
import HTTPTypes
import Hummingbird
import Model

/// `/api/v1/preferences`: how the signed-in person uses the pages and the player.
struct PreferencesController {
  let catalog: Catalog

  var routes: [Route] {
    [
      .admitted(
        .get, "/api/v1/preferences", .api, permission: nil, log: .denials,
        "The caller's preferences: playback speed and volume, whether silence is skipped, and the time zone of pages.",
        responses: [.json(Self.answer, "The preferences; absent ones have their default value.")]
      ) { admitted in
        Reply(.json(try await admitted.context.preferences(of: admitted.identity, in: catalog)))
      },
      .admitted(
        .patch, "/api/v1/preferences", .api, permission: nil, log: .denials,
        "Changes the preferences given in the body. The browser's time zone applies to the session only.",
        body: .json(Self.change),
        responses: [.empty(204, "The preferences are changed.")]
      ) { admitted in
        let change = try await admitted.incoming.decode(Preferences.self)
        try change.validate()
        let session = admitted.context.session
        guard change.browserTimeZone == nil || session != nil else {
          throw TapedeckError(
            .invalidRequest, "'browserTimeZone' belongs to the session of a browser. Set 'timeZone' instead.")
        }
        try await catalog.changePreferences(
          of: admitted.identity.id, to: change, sessionSHA256: session.map { Secret.sha256($0.secret) })
        return Reply(Response(status: .noContent))
      },
    ]
  }

  private static let properties: KeyValuePairs<String, Schema> = [
    "speed?": .number, "volume?": .number, "skipSilence?": .boolean, "timeZone?": .string, "browserTimeZone?": .string,
  ]
  private static let answer = Schema.object("Preferences", properties)
  private static let change = Schema.input("PreferencesChange", properties)
}
