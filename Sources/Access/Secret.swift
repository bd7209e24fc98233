import Crypto
import Foundation
import Model

/// A secret of 256 random bits that a client keeps and we know only by its hash.
package struct Secret: Sendable {
  /// What the client is given, once.
  package let text: String

  /// An API token: `tdk_` in front, so that scanners and our own log redaction recognise it.
  package static func makeToken() -> Secret { Secret(text: "tdk_" + base64URL(randomBytes(32))) }

  /// A browser's session or its form token.
  package static func makeSession() -> Secret { Secret(text: base64URL(randomBytes(32))) }

  /// What is stored. A plain hash is enough for a secret that cannot be guessed.
  package static func sha256(_ text: String) -> [UInt8] { Array(SHA256.hash(data: Data(text.utf8))) }

  package var sha256: [UInt8] { Secret.sha256(text) }

  private static func base64URL(_ bytes: [UInt8]) -> String {
    Data(bytes).base64EncodedString().replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
  }
}
