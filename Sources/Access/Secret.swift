import Crypto
import Foundation
import Model

/// A secret of 256 random bits that a client keeps; Tapedeck stores only its hash.
package struct Secret: Sendable {
  /// The text that is shown to the client once.
  package let text: String

  /// An API token. The prefix `tdk_` lets secret scanners and the log redaction recognize it.
  package static func makeToken() -> Secret { Secret(text: "tdk_" + base64URL(randomBytes(32))) }

  /// The secret of a browser session, or its form token. The prefix lets the log redaction recognize it.
  package static func makeSession() -> Secret { Secret(text: "tdks_" + base64URL(randomBytes(32))) }

  /// The hash that is stored. It needs no salt and no slow hash, because the secret is random.
  package static func sha256(_ text: String) -> [UInt8] { Array(SHA256.hash(data: Data(text.utf8))) }

  package var sha256: [UInt8] { Secret.sha256(text) }
}

/// Compares two secrets in constant time: the time taken does not reveal where they differ.
package func constantTimeEquals(_ left: some Collection<UInt8>, _ right: some Collection<UInt8>) -> Bool {
  guard left.count == right.count else { return false }
  return zip(left, right).reduce(UInt8(0)) { $0 | ($1.0 ^ $1.1) } == 0
}
