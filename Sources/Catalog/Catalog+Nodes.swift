import Crypto
import Foundation
package import Model

extension Catalog {
  /// Makes sure that every node that uses this database was given the same secret, or the same store: the first one leaves
  /// a fingerprint.
  ///
  /// - Parameter name: the setting, which stands in the error.
  /// - Throws: `configurationInvalid` when another node has another one.
  package func agree(on name: String, _ secret: String) async throws(TapedeckError) {
    let code = HMAC<SHA256>.authenticationCode(
      for: Data("tapedeck shared secret \(name)".utf8), using: SymmetricKey(data: Data(secret.utf8)))
    let fingerprint = hex(code.prefix(16))
    try await database.write { db in
      try db.execute(
        """
        INSERT INTO shared_secret (name, fingerprint, agreed_at) VALUES (\(name), \(fingerprint), tapedeck_now_ms())
        ON CONFLICT (name) DO NOTHING
        """)
      let agreed = try db.row("SELECT fingerprint FROM shared_secret WHERE name = \(name)")?.text("fingerprint")
      guard agreed == fingerprint else {
        throw TapedeckError(
          .configurationInvalid,
          "\(name) differs from the one that the other nodes of this database were given. Give every node the same; to change it, stop them all and run 'tapedeck db forget-secret \(name)'."
        )
      }
    }
  }

  /// Lets the next node that starts say what a secret is.
  ///
  /// - Throws: `notFound` when none of that name was agreed on.
  package func forgetSecret(_ name: String) async throws(TapedeckError) {
    try await database.write { db in
      guard try db.execute("DELETE FROM shared_secret WHERE name = \(name)") > 0 else {
        throw TapedeckError(.notFound, "No secret of that name was agreed on in this database.")
      }
    }
  }
}
