import Access
import Catalog
import HTTPTypes
import Hummingbird
import Model

/// `/api/v1/preferences`: how the signed-in person uses the player.
struct PreferencesController {
  let catalog: Catalog

  var routes: [Route] {
    [
      .admitted(
        .get, "/api/v1/preferences", .api, permission: nil, log: .denials,
        "The preferences of the identity that asks: speed and volume of playback, and whether silence is skipped.",
        responses: [.json(Self.answer, "The preferences; absent ones have their standard value.")]
      ) { admitted in Reply(.json(try await catalog.preferences(of: admitted.identity.id))) },
      .admitted(
        .patch, "/api/v1/preferences", .api, permission: nil, log: .denials,
        "Changes the preferences that the body names.", body: .json(Self.change),
        responses: [.empty(204, "The preferences are changed.")]
      ) { admitted in
        let change = try await admitted.incoming.decode(Preferences.self)
        try change.validate()
        try await catalog.changePreferences(of: admitted.identity.id, to: change)
        return Reply(Response(status: .noContent))
      },
    ]
  }

  private static let answer = Schema.object(
    "Preferences", ["speed?": .number, "volume?": .number, "skipSilence?": .boolean])
  private static let change = Schema.input(
    "PreferencesChange", ["speed?": .number, "volume?": .number, "skipSilence?": .boolean])
}
