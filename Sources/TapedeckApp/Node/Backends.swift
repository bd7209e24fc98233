import Catalog
import HTTPTransport
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
      do throws(TapedeckError) {
        return try SQLiteDatabase(path: directory.catalog.string, now: system.now)
      } catch { throw error.about(directory.catalog) }
    }
    return try PostgreSQLDatabase(url: url, settings: .init(connections: deployment.databaseConnections))
  }

  /// Opens the catalog and applies missing migrations. A small SQLite file is checked for damage first; `CatalogCheck`
  /// checks a large one while the node runs.
  ///
  /// - Throws: `catalogFailed`, with the path of an SQLite file and what to do.
  static func catalog(
    _ deployment: Deployment, _ directory: DataDirectory, system: SystemServices
  ) async throws(TapedeckError) -> Catalog {
    let database = try database(deployment, directory, system: system)
    let catalog = Catalog(database: database)
    do throws(TapedeckError) {
      if deployment.databaseURL == nil, !CatalogCheck.takesLong(directory.catalog) { try await database.check() }
      try await catalog.migrate()
      return catalog
    } catch {
      try? database.close()
      throw deployment.databaseURL == nil ? error.about(directory.catalog) : error
    }
  }

  /// The object store: a folder in the data directory, or a shared bucket.
  static func objectStore(
    _ deployment: Deployment, _ directory: DataDirectory, client: any HTTPSender, system: SystemServices
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

extension TapedeckError {
  /// A failure of the catalog with the path of its file, for operators; other errors are unchanged.
  func about(_ catalog: FilePath) -> TapedeckError {
    guard code == .catalogFailed || code == .diskFull else { return self }
    var error = self
    error.message = "\(catalog): \(message)"
    return error
  }
}
