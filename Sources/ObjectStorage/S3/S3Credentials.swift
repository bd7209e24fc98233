package import Model

/// What proves to an object store who is asking: an access key, and a session token where the key is a temporary one.
package struct S3Credentials: Sendable, Equatable {
  package let accessKeyID: String
  let secretAccessKey: String
  let sessionToken: String?

  /// - Throws: `configurationInvalid`, which names the setting and never shows its value.
  package init(
    accessKeyID: String, secretAccessKey: String, sessionToken: String? = nil
  ) throws(TapedeckError) {
    for (setting, value) in [
      ("AWS_ACCESS_KEY_ID", accessKeyID), ("AWS_SECRET_ACCESS_KEY", secretAccessKey),
      ("AWS_SESSION_TOKEN", sessionToken ?? "-"),
    ] where value.isEmpty || !value.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) {
      throw TapedeckError(
        .configurationInvalid, "\(setting) must be printable characters without spaces, and at least one.")
    }
    self.accessKeyID = accessKeyID
    self.secretAccessKey = secretAccessKey
    self.sessionToken = sessionToken
  }
}

extension S3Credentials: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
  package var description: String { "S3Credentials(<redacted>)" }
  package var debugDescription: String { description }
  package var customMirror: Mirror { Mirror(self, children: []) }
}
