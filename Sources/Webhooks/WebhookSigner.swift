import Crypto
import Foundation

/// Signs messages as Standard Webhooks 1.0 asks: HMAC-SHA256 over `id.timestamp.body`.
package struct WebhookSigner: Sendable {
  private let secrets: [WebhookSecret]

  /// While a secret is rotated the receiver may still know only the previous one: every secret signs.
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
