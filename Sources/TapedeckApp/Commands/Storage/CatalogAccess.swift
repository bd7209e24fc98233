import Catalog
import Model
import Pipeline

/// Runs with the catalog only, without a node.
func withCatalog<T: Sendable>(
  _ options: GlobalOptions, _ body: (Catalog, Settings) async throws -> T
) async throws -> T {
  let settings = try await options.settings(needsPlatform: false)
  let directory = settings.directory
  guard directory.exists || settings.deployment.isShared else {
    throw settings.missingDirectory
  }
  try settings.requireCatalogOfObjects()
  func run() async throws -> T {
    let database = try Node.database(settings.deployment, directory, system: .system)
    return try await closing([database]) { try await body(Catalog(database: database), settings) }
  }
  // PostgreSQL coordinates its clients; SQLite has one owner.
  return settings.deployment.isShared ? try await run() : try await withLock(of: directory, run)
}

/// Runs while no other process uses the data directory.
func withLock<T: Sendable>(of directory: DataDirectory, _ body: () async throws -> T) async throws -> T {
  guard let lock = try directory.tryLock() else {
    throw TapedeckError(
      .dataDirectoryInUse, "A server or another command is using \(directory.path). Stop it, then try again.")
  }
  let result = try await body()
  withExtendedLifetime(lock) {}
  return result
}

/// Closes databases after `body`, whether or not it throws.
func closing<T: Sendable>(_ databases: [any Database], _ body: () async throws -> T) async throws -> T {
  let result: Result<T, any Error>
  do { result = .success(try await body()) } catch { result = .failure(error) }
  for database in databases { try database.close() }
  return try result.get()
}

extension Settings {
  /// Checks that the folder of objects is empty when there is no SQLite file: a new file would hide that the catalog is
  /// lost.
  ///
  /// - Throws: `configurationInvalid`.
  func requireCatalogOfObjects() throws(TapedeckError) {
    guard !deployment.isShared, deployment.storage == nil, !directory.hasCatalog, directory.hasObjects else { return }
    throw StoreOwnership.failure
  }
}
