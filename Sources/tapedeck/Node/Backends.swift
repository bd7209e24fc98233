import AsyncHTTPClient
import Catalog
import Model
import NIOPosix
import ObjectStorage
import SystemPackage

extension Node {
  /// The catalog's database: a file of the data directory, or the PostgreSQL that nodes share.
  static func database(
    _ deployment: Deployment, _ directory: DataDirectory, surroundings: Surroundings
  ) throws(TapedeckError) -> any Database {
    guard let url = deployment.databaseURL else {
      return try SQLiteDatabase(path: directory.catalog.string, now: surroundings.now)
    }
    return try PostgreSQLDatabase(url: url, settings: .init(connections: deployment.databaseConnections))
  }

  /// Where the recordings are: a folder of the data directory, or the bucket that nodes share.
  static func objectStore(
    _ deployment: Deployment, _ directory: DataDirectory, client: HTTPClient, surroundings: Surroundings
  ) throws(TapedeckError) -> any ObjectStore {
    guard let storage = deployment.storage else {
      return try FileObjectStore(
        root: directory.objects, quarantine: directory.quarantine, threads: .singleton, now: surroundings.now)
    }
    return S3ObjectStore(
      settings: storage.settings, credentials: storage.credentials, client: client, threads: .singleton,
      surroundings: surroundings)
  }
}
