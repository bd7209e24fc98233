import Foundation
import Model
import ObjectStorage

/// Where the catalog and the objects are: on this machine, or where several nodes reach them.
struct Deployment: Sendable {
  /// `postgres://…`; nil for SQLite in the data directory.
  var databaseURL: String?
  /// Connections to PostgreSQL at a time.
  var databaseConnections: Int
  /// Nil for a folder in the data directory.
  var storage: Storage?
  /// What must never be written to a log.
  var secrets: [String]

  /// A bucket and the key to it.
  struct Storage: Sendable {
    var settings: S3Settings
    var credentials: S3Credentials
  }

  /// Whether other nodes may work on the same catalog at this moment.
  var isShared: Bool { databaseURL != nil }

  /// - Throws: `configurationInvalid`, which names the setting and where it was looked for, never its value.
  init(_ reader: SettingsReader) throws(TapedeckError) {
    secrets = []
    databaseURL = try reader.secret(.databaseURL, file: .databaseURLFile)
    databaseConnections = Int(try reader.number(.databaseConnections, default: 8, in: 2...200))
    if let databaseURL {
      guard databaseURL.hasPrefix("postgres://") || databaseURL.hasPrefix("postgresql://"),
        let components = URLComponents(string: databaseURL)
      else { throw reader.malformed(.databaseURL, "must be an address such as postgres://user@host/database") }
      secrets.append(databaseURL)
      // As it stands in the address and as it is meant: both would give it away.
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

  /// What tells the store of recordings from any other, whatever address a node reaches it by: two nodes of one catalog
  /// with two stores would each take the other's recordings for lost.
  ///
  /// - Throws: `storageFailed`.
  func storeIdentity(_ directory: DataDirectory) throws(TapedeckError) -> String {
    if let settings = storage?.settings { return "s3://\(settings.bucket)/\(settings.prefix)" }
    return try directory.key("store-id") { hex(randomBytes(16)) }
  }

  /// What a node needs that shares its work with others.
  ///
  /// - Throws: `configurationInvalid`.
  func requireShared(for command: String) throws(TapedeckError) {
    guard databaseURL != nil else {
      throw TapedeckError(
        .configurationInvalid,
        "'\(command)' shares the catalog with other nodes, which SQLite cannot. Set TAPEDECK_DATABASE_URL to a PostgreSQL database, or run 'tapedeck serve' alone."
      )
    }
    guard storage != nil else {
      throw TapedeckError(
        .configurationInvalid,
        "'\(command)' shares the recordings with other nodes, which a folder of this machine cannot. Set TAPEDECK_STORAGE_URL to an S3 bucket."
      )
    }
  }
}
