package import Catalog
package import Model
package import ObjectStorage

/// Checks whether an object store and a catalog belong together, before objects are moved, copied or treated as lost.
package enum StoreOwnership {
  /// What an operator does about objects of another catalog.
  package static let remedy =
    "If the catalog was lost or replaced, stop Tapedeck and restore it from a backup (docs/operations.md). To begin a new archive, move the objects away, or use an empty folder or bucket prefix."

  /// The error for a store with objects and a catalog without any.
  package static var failure: TapedeckError {
    TapedeckError(
      .configurationInvalid,
      "The object store has objects, but the catalog has none. Nothing was changed. \(remedy)")
  }

  /// How many of the oldest recordings are looked for.
  private static let sampleSize = 8

  /// Checks that a catalog without objects is not used with a store that has some: the earlier catalog was probably
  /// lost, and the objects are recordings. A store that cannot be listed passes, since nothing is moved in it.
  ///
  /// - Throws: `configurationInvalid`, `catalogFailed`.
  package static func requireOwnObjects(_ catalog: Catalog, _ store: any ObjectStore) async throws(TapedeckError) {
    if try await catalog.knowsObjects() { return }
    // Again: another node may have stored its first objects meanwhile, whose rows exist before them.
    if await hasObjects(store), try await !catalog.knowsObjects() { throw failure }
  }

  /// Checks that a store has no objects, before a catalog is created for it. A store that cannot be listed passes.
  ///
  /// - Throws: `configurationInvalid`.
  package static func requireNoObjects(in store: any ObjectStore) async throws(TapedeckError) {
    if await hasObjects(store) { throw failure }
  }

  /// Checks that a store is that of a catalog, before its objects are copied: without their rows they would be copied
  /// unchecked.
  ///
  /// - Throws: `configurationInvalid` when only the store has objects; as `requireOldest`.
  package static func requireStore(_ store: any ObjectStore, of catalog: Catalog) async throws(TapedeckError) {
    try await requireOwnObjects(catalog, store)
    if try await catalog.archivedCount() > 0 { try await requireOldest(in: store, of: catalog) }
  }

  /// Checks that a store has objects of at least half of the eight oldest recordings. Otherwise its disk is probably
  /// not mounted, or it is the wrong bucket. Newer recordings prove nothing, since ingests continue and store into the
  /// wrong folder; in a small archive the younger half counts as new. Half of them is enough, because some may really
  /// be lost; one is not, because in a small archive the older half soon has recordings that were stored into the wrong
  /// folder. A recording without objects whose damage is known does not count: it may be lost forever.
  ///
  /// - Throws: `storageFailed` when the store is unavailable or cannot be listed, `catalogFailed`, `interrupted`.
  static func requireOldest(in store: any ObjectStore, of catalog: Catalog) async throws(TapedeckError) {
    let olderHalf = (try await catalog.archivedCount() + 1) / 2
    var (known, present) = (0, 0)
    let oldest = try await catalog.archivedRecordings(after: 0, limit: min(8 * sampleSize, Int(olderHalf)))
    for old in oldest where known < sampleSize {
      guard let archived = try await catalog.archived(old.key) else { continue }
      let files = ArchivedFile.all(of: archived.recording, archived.parts)
      // The rows of its files are lost: it says nothing about the store.
      if files.isEmpty { continue }
      let isPresent = try await has(anyOf: files, store)
      if isPresent || archived.recording.damage == nil { known += 1 }
      if isPresent { present += 1 }
    }
    guard present > 0, present * 2 >= known else {
      throw TapedeckError(
        .storageFailed,
        "The object store lacks most of the oldest recordings, but the catalog has them. Check that its disk is mounted or that it is the right bucket. Nothing was changed. If the files are really lost, name the recordings: 'tapedeck verify ID…'."
      )
    }
  }

  private static func has(anyOf files: [ArchivedFile], _ store: any ObjectStore) async throws(TapedeckError) -> Bool {
    for file in files {
      // From the listing: an open file may be on a disk that is no longer mounted.
      if try await store.objects(in: file.name.folder).contains(where: { $0.name == file.name }) { return true }
    }
    return false
  }

  private static func hasObjects(_ store: any ObjectStore) async -> Bool {
    await withTaskGroup(of: Bool.self) { group in
      var folders = ObjectFolder.all.makeIterator()
      func addNext() {
        guard let folder = folders.next() else { return }
        group.addTask { (try? await store.objects(in: folder).isEmpty) == false }
      }
      for _ in 0..<16 { addNext() }
      while let found = await group.next() {
        if found {
          group.cancelAll()
          return true
        }
        addNext()
      }
      return false
    }
  }
}
