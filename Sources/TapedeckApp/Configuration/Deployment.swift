import Foundation
package import Model
package import ObjectStorage

/// Where the catalog and the objects are: in the data directory, or on servers that several nodes share.
package struct Deployment: Sendable {
  /// `postgres://…`; nil for SQLite in the data directory.
  package var databaseURL: String?
  /// The maximum number of connections to PostgreSQL.
  package var databaseConnections: Int
  /// Nil for a folder in the data directory.
  package var storage: Storage?
  /// Values that must never be logged.
  package var secrets: [String]

  /// A bucket, and the access key for it.
  package struct Storage: Sendable {
    package var settings: S3Settings
    var credentials: S3Credentials
  }

  /// Whether other nodes may use the same catalog.
  package var isShared: Bool { databaseURL != nil }

  /// - Throws: `configurationInvalid`, which names the setting and the places, never the value.
  package init(_ reader: SettingsReader) throws(TapedeckError) {
    secrets = []
    databaseURL = try reader.secret(.databaseURL, file: .databaseURLFile)
    databaseConnections = Int(try reader.number(.databaseConnections, default: 8, in: 2...200))
    if let databaseURL {
      guard databaseURL.hasPrefix("postgres://") || databaseURL.hasPrefix("postgresql://"),
        let components = URLComponents(string: databaseURL)
      else { throw reader.malformed(.databaseURL, "must be an address such as postgres://user@host/database") }
      secrets.append(databaseURL)
      // Both the encoded and the decoded password would reveal it.
      secrets += [components.percentEncodedPassword, components.password].compactMap { $0 }.filter { !$0.isEmpty }
    }
    storage = nil
    if let url = try reader.text(.storageURL) {
      let given = try reader.secret(.storageSecret, file: .storageSecretFile)
      let secret = if let given { given } else { try reader.required(.storageSecret) }
      let token = try reader.text(.storageSessionToken)
      secrets += [secret, token].compactMap { $0 }
      storage = Storage(
        settings: try S3Settings(url: url, region: try reader.text(.storageRegion)),
        credentials: try S3Credentials(
          accessKeyID: try reader.required(.storageKeyID),
          secretAccessKey: secret, sessionToken: token))
    }
  }

  /// Identifies the object store, independent of the address through which a node reaches it. Two nodes with one catalog
  /// and two stores would each report the other's recordings as missing.
  ///
  /// - Throws: `storageFailed`.
  func storeIdentity(_ directory: DataDirectory) throws(TapedeckError) -> String {
    if let settings = storage?.settings { return "s3://\(settings.bucket)/\(settings.prefix)" }
    return try directory.key("store-id") { hex(randomBytes(16)) }
  }

  /// Checks that catalog and object store can be shared with other nodes.
  ///
  /// - Throws: `configurationInvalid`.
  package func requireShared(for command: String) throws(TapedeckError) {
    guard databaseURL != nil else {
      throw TapedeckError(
        .configurationInvalid,
        "'\(command)' shares the catalog with other nodes, which requires PostgreSQL. Set TAPEDECK_DATABASE_URL, or run a single 'tapedeck serve' with SQLite."
      )
    }
    guard storage != nil else {
      throw TapedeckError(
        .configurationInvalid,
        "'\(command)' shares the recordings with other nodes, which requires an S3 bucket. Set TAPEDECK_STORAGE_URL."
      )
    }
  }
}
