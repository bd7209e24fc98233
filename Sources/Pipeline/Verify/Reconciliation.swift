import Catalog
import CoreMetrics
import Logging
package import Model
package import ObjectStorage

/// Compares the names and lengths of objects with the catalog, folder by folder, in both directions.
///
/// Objects without a row, and objects that an ingest stored and did not commit, are moved to quarantine and never
/// deleted: after a restore of yesterday's catalog they are today's recordings. Objects that are older than the catalog
/// are left alone, since they belong to a catalog that was lost, and so is a store that lacks most of the oldest
/// recordings. A recording whose object is missing or has another length is damaged and is repaired.
package struct Reconciliation: Sendable {
  /// An object that no recording refers to and no ingest needs.
  package struct Orphan: Sendable, Equatable {
    package var object: ListedObject
    package var isMoved: Bool
  }

  package struct Report: Sendable {
    package var objects = 0
    package var orphans: [Orphan] = []
    /// Unreferenced objects that were left alone because an ingest may be about to commit them, or needs them for that.
    package var young = 0
    /// Objects without a row that may belong to another catalog: they are older than this one, or it has no recording.
    /// They are left alone.
    package var foreign = 0
    /// The recordings whose objects are missing or have another length.
    package var damaged: [Verification] = []
    /// Whether the store was found to have the oldest recordings; looked for before the first move.
    fileprivate var isOwnStore = false
  }

  /// How long a reserved object may wait for its commit while a worker is storing.
  private static let gracePeriod = Duration.seconds(3600)

  private let catalog: Catalog
  private let store: any ObjectStore
  private let verifier: Verifier

  package init(verifier: Verifier) {
    catalog = verifier.catalog
    store = verifier.store
    self.verifier = verifier
  }

  /// Compares folders, with pauses as long as the work, so that other requests are not delayed.
  ///
  /// - Throws: `storageFailed` when the store cannot be listed, or has an orphan and lacks most of the oldest
  ///   recordings; `catalogFailed`, `interrupted`.
  package func run(
    _ folders: [ObjectFolder] = ObjectFolder.all, _ mode: Verifier.Mode = .repair()
  ) async throws(TapedeckError) -> Report {
    var sum = Report()
    var lost: Set<RecordingKey> = []
    let createdAt = try await catalog.createdAt()
    for folder in folders {
      let start = ContinuousClock.now
      lost.formUnion(try await compare(folder, createdAt, mode, &sum))
      guard folder != folders.last else { break }
      do { try await verifier.system.sleep(.now - start) } catch { throw TapedeckError(.interrupted) }
    }
    for key in lost {
      // Checks again whether the object is missing, and what else is wrong.
      let verification = try await verifier.verify(key, mode)
      if verification.verdict != .whole { sum.damaged.append(verification) }
    }
    if sum.foreign > 0 {
      verifier.logger.error(
        "the object store has objects that may belong to another catalog; they are not changed",
        metadata: ["objects": "\(sum.foreign)", "remedy": "\(StoreOwnership.remedy)"])
    }
    guard !sum.orphans.isEmpty || !sum.damaged.isEmpty else { return sum }
    verifier.logger.notice(
      "catalog and objects differed",
      metadata: ["objects_without_row": "\(sum.orphans.count)", "rows_without_object": "\(sum.damaged.count)"])
    return sum
  }

  /// Compares one folder.
  ///
  /// - Parameter createdAt: when the catalog was created.
  /// - Returns: the recordings whose objects are missing or have another length.
  private func compare(
    _ folder: ObjectFolder, _ createdAt: Instant, _ mode: Verifier.Mode, _ report: inout Report
  ) async throws(TapedeckError) -> [RecordingKey] {
    // In this order: a row exists before its object, so an object without a row is not one of a running ingest.
    let listed = try await store.objects(in: folder)
    let known = try await catalog.knownObjects(inFolder: folder.description)
    report.objects += listed.count
    let objects = Dictionary(listed.map { ($0.name, $0) }) { first, _ in first }
    let unknown = listed.filter {
      known.referenced[$0.name] == nil && known.reserved[$0.name] == nil && !known.removing.contains($0.name)
    }
    let holdsRows = try await !catalog.archivedRecordings(after: 0, limit: 1).isEmpty
    for object in unknown where try await !catalog.hasObject(object.name) {
      if holdsRows, object.changedAt >= createdAt {
        try await add(object, mode, to: &report)
      } else {
        report.foreign += 1
      }
    }
    if holdsRows {
      for (name, reservation) in known.reserved {
        let isNeeded = try await isNeeded(name, reservation, known)
        guard let object = objects[name] else {
          // It was never stored; the name is not needed.
          if !isNeeded, mode != .report { _ = try await catalog.deleteReservation(name, reservation) }
          continue
        }
        if isNeeded {
          report.young += 1
          continue
        }
        // The row first: from then on no ingest can commit this name.
        var isOrphan = mode == .report
        if !isOrphan {
          try await requireOwnStore(&report)
          isOrphan = try await catalog.deleteReservation(name, reservation)
        }
        if isOrphan { try await add(object, mode, to: &report) }
      }
    }
    let lost = known.referenced.filter { objects[$0.key]?.bytes != $0.value }.map(\.key)
    var recordings: [RecordingKey] = []
    // A statement takes no more than some thousand values.
    for names in lost.chunked(by: 500) {
      recordings += try await catalog.recordings(referringTo: Set(names)).map(\.recording.key)
    }
    return recordings
  }

  /// Whether an ingest may still commit a reserved object, or resumes with this original, which may be the only copy.
  private func isNeeded(
    _ name: ObjectName, _ reservation: KnownObjects.Reservation, _ known: KnownObjects
  ) async throws(TapedeckError) -> Bool {
    if known.isStoring, reservation.at >= verifier.system.now() + Self.gracePeriod * -1 { return true }
    guard name.kind != .peaks else { return false }
    return try await catalog.isAwaited(original: reservation.hash.rawValue)
  }

  /// Adds an orphan to the report, and moves it to quarantine unless this only reports.
  private func add(_ object: ListedObject, _ mode: Verifier.Mode, to report: inout Report) async throws(TapedeckError) {
    VerificationMetrics.orphans.increment()
    guard mode != .report else { return report.orphans.append(Orphan(object: object, isMoved: false)) }
    try await requireOwnStore(&report)
    verifier.logger.warning(
      "an object that no recording refers to is moved to quarantine",
      metadata: ["object": "\(object.name)", "bytes": "\(object.bytes)"])
    try await store.quarantine(object.name, because: "No recording in the catalog refers to it.")
    report.orphans.append(Orphan(object: object, isMoved: true))
  }

  /// Checks before the first move that the store belongs to the catalog: the objects of another archive are orphans
  /// too.
  private func requireOwnStore(_ report: inout Report) async throws(TapedeckError) {
    if !report.isOwnStore { try await StoreOwnership.requireOldest(in: store, of: catalog) }
    report.isOwnStore = true
  }
}

extension Array {
  fileprivate func chunked(by count: Int) -> [ArraySlice<Element>] {
    stride(from: 0, to: self.count, by: count).map { self[$0..<Swift.min($0 + count, self.count)] }
  }
}
