import AsyncHTTPClient
import Catalog
import Model
import NIOPosix
import ObjectStorage
import SystemPackage

extension Node {
  /// The database of the catalog: a file in the data directory, or a shared PostgreSQL.
  static func database(
    _ deployment: Deployment, _ directory: DataDirectory, system: SystemServices
  ) throws(TapedeckError) -> any Database {
    guard let url = deployment.databaseURL else {
      return try SQLiteDatabase(path: directory.catalog.string, now: system.now)
    }
    return try PostgreSQLDatabase(url: url, settings: .init(connections: deployment.databaseConnections))
  }

  /// The object store: a folder in the data directory, or a shared bucket.
  static func objectStore(
    _ deployment: Deployment, _ directory: DataDirectory, client: HTTPClient, system: SystemServices
  ) throws(TapedeckError) -> any ObjectStore {
    guard let storage = deployment.storage else {
      return try FileObjectStore(
        root: directory.objects, quarantine: directory.quarantine, threads: .singleton,
        keptOpen: Descriptors.filesKeptOpen, now: system.now)
    }
    return S3ObjectStore(
      settings: storage.settings, credentials: storage.credentials, client: client, threads: .singleton,
      system: system)
  }
}
