import Crypto
import Foundation
package import Model

/// The key that signs webhook messages, shared with their receiver.
package struct WebhookSecret: Sendable, Equatable {
  private static let prefix = "whsec_"

  let key: [UInt8]

  /// Reads `whsec_` followed by 24 to 64 bytes in base64.
  ///
  /// - Throws: `configurationInvalid`, which names `QM_WEBHOOK_SECRET` but not its value.
  package init(_ text: String) throws(TapedeckError) {
    guard text.hasPrefix(Self.prefix), let key = Data(base64Encoded: String(text.dropFirst(Self.prefix.count))),
      (24...64).contains(key.count)
    else {
      throw TapedeckError(
        .configurationInvalid, "QM_WEBHOOK_SECRET must be 'whsec_' followed by 24 to 64 bytes in base64.")
    }
    self.key = Array(key)
  }

  private init(key: [UInt8]) { self.key = key }

  /// A new secret of 32 random bytes.
  package static func make() -> WebhookSecret { WebhookSecret(key: randomBytes(32)) }

  /// The secret as it is stored and given to the receiver; `init(_:)` reads it back.
  package var revealed: String { Self.prefix + Data(key).base64EncodedString() }
}

extension WebhookSecret: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
  package var description: String { "WebhookSecret(<redacted>)" }
  package var debugDescription: String { description }
  package var customMirror: Mirror { Mirror(self, children: []) }
}
/// Signs messages according to Standard Webhooks 1.0: HMAC-SHA256 over `id.timestamp.body`.
package struct WebhookSigner: Sendable {
  private let secrets: [WebhookSecret]

  /// All secrets sign, because during a rotation the receiver may know only the previous one.
  package init(_ secret: WebhookSecret, previous: [WebhookSecret] = []) { secrets = [secret] + previous }

  /// The value of `webhook-signature`: `v1,` and base64 for each secret, the current one first, separated by spaces.
  ///
  /// `timestamp` is in seconds since 1970, as sent in `webhook-timestamp`.
  package func signature(id: String, timestamp: Int64, body: [UInt8]) -> String {
    let signed = Array("\(id).\(timestamp).".utf8) + body
    return secrets.map { secret in
      let code = HMAC<SHA256>.authenticationCode(for: signed, using: SymmetricKey(data: secret.key))
      return "v1," + Data(code).base64EncodedString()
    }.joined(separator: " ")
  }
}
