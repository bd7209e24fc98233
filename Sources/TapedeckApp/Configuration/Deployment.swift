import Foundation
package import Model
package import ObjectStorage
package import SystemPackage

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

  /// The reader remembers what is wrong.
  init(_ reader: SettingsReader) {
    secrets = []
    databaseURL = reader.secret(.databaseURL, file: .databaseURLFile)
    databaseConnections = Int(reader.number(.databaseConnections, default: 8, in: 2...200))
    if let databaseURL {
      let components = URLComponents(string: databaseURL)
      if components == nil || !databaseURL.hasPrefix("postgres://") && !databaseURL.hasPrefix("postgresql://") {
        reader.report(.databaseURL, "must be an address such as postgres://user@host/database")
      }
      secrets.append(databaseURL)
      // Both the encoded and the decoded password would reveal it.
      secrets += [components?.percentEncodedPassword, components?.password].compactMap { $0 }.filter { !$0.isEmpty }
    }
    if let url = reader.text(.storageURL) { storage = Self.storage(url, reader, &secrets) }
  }

  /// Nil when something is missing or wrong.
  private static func storage(_ url: String, _ reader: SettingsReader, _ secrets: inout [String]) -> Storage? {
    let secret = reader.secret(.storageSecret, file: .storageSecretFile)
    let keyID = reader.text(.storageKeyID)
    let token = reader.text(.storageSessionToken)
    secrets += [secret, token].compactMap { $0 }
    var missing: [Setting] = keyID == nil ? [.storageKeyID] : []
    if secret == nil, !reader.isWrong(.storageSecretFile) { missing.append(.storageSecret) }
    if !missing.isEmpty { reader.reportUnset(missing) }
    let region = reader.text(.storageRegion)
    let settings = reader.checked { () throws(TapedeckError) in try S3Settings(url: url, region: region) }
    guard let keyID, let secret else { return nil }
    let credentials = reader.checked { () throws(TapedeckError) in
      try S3Credentials(accessKeyID: keyID, secretAccessKey: secret, sessionToken: token)
    }
    guard let settings, let credentials else { return nil }
    return Storage(settings: settings, credentials: credentials)
  }

  /// The folders on this machine that fill, each with what it holds: they are usually on one disk, but each can be a
  /// mount of its own.
  package func localFolders(_ directory: DataDirectory) -> [(holds: String, folder: FilePath)] {
    [("spool", directory.spool)] + (storage == nil ? [("objects", directory.objects)] : [])
      + (databaseURL == nil ? [("catalog", directory.path)] : [])
  }

  /// Identifies the object store, independent of the address through which a node reaches it. Two nodes with one
  /// catalog and two stores would each report the other's recordings as missing.
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
