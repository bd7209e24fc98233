import Foundation
package import Model

/// The key that a webhook's messages are signed with, shared with their receiver.
package struct WebhookSecret: Sendable, Equatable {
  private static let prefix = "whsec_"

  let key: [UInt8]

  /// Reads `whsec_` followed by 24 to 64 bytes in base64.
  ///
  /// - Throws: `configurationInvalid`, which names `QM_WEBHOOK_SECRET` and never shows its value.
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

  /// The secret in the form that is stored and handed to the receiver; `init(_:)` reads it back.
  package var revealed: String { Self.prefix + Data(key).base64EncodedString() }
}

extension WebhookSecret: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
  package var description: String { "WebhookSecret(<redacted>)" }
  package var debugDescription: String { description }
  package var customMirror: Mirror { Mirror(self, children: []) }
}
