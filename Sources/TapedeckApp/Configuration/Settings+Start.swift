import Audio
import CXone
package import Model
import TransparencyLog
import Webhooks

extension Settings {
  /// Checks what a server requires beyond well-formed values, before anything is created. `serve`, `worker` and
  /// `doctor` share it, so that they agree.
  ///
  /// - Throws: `configurationInvalid`, which names all wrong settings, never the values; `storageFailed` when a secret
  ///   in the data directory cannot be read.
  package func requireStartable() throws(TapedeckError) {
    var problems: [String] = []
    if directory.isDemo {
      problems.append(
        "TAPEDECK_DATA_DIR is the folder of a demo, whose passwords were printed. Choose another folder.")
    }
    if let url = webhookURL {
      let existing = deployment.isShared ? nil : try directory.existingKey("webhook-secret")
      if webhookSecret == nil, deployment.isShared { problems.append(Self.missingWebhookSecret.message) }
      let secret = webhookSecret ?? existing ?? WebhookSecret.make().revealed
      do throws(TapedeckError) {
        _ = try WebhookEndpoint(url: url, signer: WebhookSigner(try WebhookSecret(secret)))
      } catch { problems.append(error.message) }
    }
    let key = if let signingKey { signingKey as String? } else { try directory.existingKey("statement-key") }
    if let key, NoteSigner(key) == nil { problems.append(Self.malformedSigningKey.message) }
    if !problems.isEmpty { throw .wrongSettings(problems, unknown: unknown) }
  }

  /// Converts recordings as the settings say; `onStart` is called with the protections of its sandbox.
  func makeTranscoder(onStart: @escaping @Sendable (TranscoderProtections) -> Void = { _ in }) -> Transcoder {
    Transcoder(requiresSandbox: requiresSandbox, isDumpable: allowsMemoryDumps, onStart: onStart)
  }

  static let missingWebhookSecret = TapedeckError(
    .configurationInvalid,
    "QM_WEBHOOK_SECRET is not set. Nodes that share a database must have the same secret, so that the receiver can verify messages from each of them."
  )

  static let malformedSigningKey = TapedeckError(
    .configurationInvalid,
    "TAPEDECK_SIGNING_KEY (or keys/statement-key in the data directory) must be a private key of the form PRIVATE+KEY+name+hash+key."
  )
}
