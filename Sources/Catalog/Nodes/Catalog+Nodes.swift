import Crypto
import Foundation
package import Model

extension Catalog {
  /// Requires that a setting, such as a secret or the URL of the object store, has the same value on all nodes of this
  /// database. The first node stores a fingerprint of its value.
  ///
  /// - Parameter name: the name of the setting, for the error.
  /// - Throws: `configurationInvalid` when the fingerprint differs.
  package func requireSameOnAllNodes(_ name: String, _ value: String) async throws(TapedeckError) {
    let code = HMAC<SHA256>.authenticationCode(
      for: Data("tapedeck shared secret \(name)".utf8), using: SymmetricKey(data: Data(value.utf8)))
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
          "\(name) differs from the value on the other nodes of this database. Set the same value on every node; to change it, stop all nodes and run 'tapedeck db forget-secret \(name)'."
        )
      }
    }
  }

  /// Removes a fingerprint, so that the next node that starts stores a new one.
  ///
  /// - Throws: `notFound`.
  package func forgetSecret(_ name: String) async throws(TapedeckError) {
    try await database.write { db in
      guard try db.execute("DELETE FROM shared_secret WHERE name = \(name)") > 0 else {
        throw TapedeckError(.notFound, "This database has no shared setting with this name.")
      }
    }
  }
}
