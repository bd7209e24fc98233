import Catalog
import Foundation
import Model
import Observability
import TransparencyLog
import Webhooks

extension Node {
  /// The webhook endpoint of the QM system; nil when none is configured.
  ///
  /// - Throws: `configurationInvalid` when nodes that share a catalog have no secret, or different ones.
  static func webhook(
    _ settings: Settings, _ directory: DataDirectory, _ catalog: Catalog
  ) async throws -> WebhookEndpoint? {
    guard let url = settings.webhookURL else { return nil }
    let secret: String
    if let configured = settings.webhookSecret {
      secret = configured
    } else if settings.deployment.isShared {
      throw Settings.missingWebhookSecret
    } else {
      secret = try directory.key("webhook-secret") { WebhookSecret.make().revealed }
    }
    Redactor.shared.add(secret)
    if settings.deployment.isShared { try await catalog.requireSameOnAllNodes("QM_WEBHOOK_SECRET", secret) }
    return try WebhookEndpoint(url: url, signer: WebhookSigner(try WebhookSecret(secret)))
  }

  /// The signer of statements: with the configured key, or one that is created once in the data directory.
  ///
  /// - Throws: `configurationInvalid` for a malformed key, or when nodes that share a catalog have different keys.
  static func statementSigner(
    _ settings: Settings, _ directory: DataDirectory, _ catalog: Catalog
  ) async throws -> NoteSigner {
    let host = settings.publicOrigin.flatMap { URLComponents(string: $0)?.host } ?? "tapedeck.local"
    var text = settings.signingKey ?? ""
    if text.isEmpty { text = try directory.key("statement-key") { NoteSigner(newKeyNamed: host)?.revealed ?? "" } }
    guard let signer = NoteSigner(text) else { throw Settings.malformedSigningKey }
    if settings.deployment.isShared { try await catalog.requireSameOnAllNodes("TAPEDECK_SIGNING_KEY", signer.revealed) }
    return signer
  }
}
