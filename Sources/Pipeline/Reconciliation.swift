import Catalog
import CoreMetrics
import Logging
package import Model
package import ObjectStorage

/// Compares names and lengths of objects with the rows that refer to them, folder by folder, in both directions.
///
/// What no row refers to is moved to quarantine and never removed: after a catalog was restored from yesterday's copy it
/// is today's recordings. A row whose object is not there, or has another length, is damage and is repaired as such.
package struct Reconciliation: Sendable {
  /// An object that no row refers to.
  package struct Stray: Sendable, Equatable {
    package var object: ListedObject
    package var isMoved: Bool
  }

  package struct Report: Sendable {
    package var objects = 0
    package var strays: [Stray] = []
    /// Objects without a row that were left alone, since an ingest may be about to commit them, or needs them for that.
    package var young = 0
    /// The recordings whose objects are not there, or have another length.
    package var damaged: [Verification] = []
  }

  /// Younger ones may be of an ingest that is about to commit them, where one is.
  private static let youth = Duration.seconds(3600)

  private let catalog: Catalog
  private let store: any ObjectStore
  private let verifier: Verifier

  package init(verifier: Verifier) {
    catalog = verifier.catalog
    store = verifier.store
    self.verifier = verifier
  }

  /// Compares some folders, at a pace that leaves half of the time to others.
  ///
  /// - Throws: `storageFailed` when the store cannot be listed or is empty, `catalogFailed`, `interrupted`.
  package func run(
    _ folders: [ObjectFolder] = ObjectFolder.all, _ mode: Verifier.Mode = .repair()
  ) async throws(TapedeckError) -> Report {
    var sum = Report()
    var lost: Set<RecordingKey> = []
    for folder in folders {
      let start = ContinuousClock.now
      lost.formUnion(try await compare(folder, mode, &sum))
      guard folder != folders.last else { break }
      do { try await verifier.surroundings.sleep(.now - start) } catch { throw TapedeckError(.interrupted) }
    }
    // Only now: while a repair stores files, an object without a row may be one of them.
    for key in lost {
      // Looks itself whether the object is there, and what else is wrong.
      let verification = try await verifier.verify(key, mode)
      if verification.verdict != .whole { sum.damaged.append(verification) }
    }
    guard !sum.strays.isEmpty || !sum.damaged.isEmpty else { return sum }
    verifier.logger.notice(
      "catalog and objects differed",
      metadata: ["objects_without_row": "\(sum.strays.count)", "rows_without_object": "\(sum.damaged.count)"])
    return sum
  }

  /// Compares one folder.
  ///
  /// - Returns: the recordings whose objects are not there, or have another length.
  private func compare(
    _ folder: ObjectFolder, _ mode: Verifier.Mode, _ report: inout Report
  ) async throws(TapedeckError) -> [RecordingKey] {
    // In this order: an object that is stored and committed in between is then known, and not a stray.
    let listed = try await store.objects(in: folder)
    let references = try await catalog.objectReferences(inFolder: folder.description)
    report.objects += listed.count
    let strangers = listed.filter { references.bytes[$0.key.description] == nil }
    if !strangers.isEmpty, try await holdsRows() {
      let old = verifier.surroundings.now() + Self.youth * -1
      for object in strangers {
        guard object.changedAt < old || !references.isStoring, try await !isAwaited(object) else {
          report.young += 1
          continue
        }
        if let stray = try await remove(object, mode) { report.strays.append(stray) }
      }
    }
    let lengths = Dictionary(listed.map { ($0.key.description, $0.bytes) }) { first, _ in first }
    let lost = references.bytes.filter { lengths[$0.key] != $0.value }.keys
    var recordings: [RecordingKey] = []
    // A statement takes no more than some thousand values.
    for keys in lost.sorted().chunked(by: 500) {
      recordings += try await catalog.recordings(referringTo: Set(keys)).map(\.recording.key)
    }
    return recordings
  }

  /// Whether an ingest that broke off before its commit goes on with this original, which may be the only one left.
  private func isAwaited(_ object: ListedObject) async throws(TapedeckError) -> Bool {
    guard object.key.kind == .wav else { return false }
    return try await catalog.isAwaited(original: object.key.sha256)
  }

  /// - Returns: nil when a row refers to it after all.
  private func remove(_ object: ListedObject, _ mode: Verifier.Mode) async throws(TapedeckError) -> Stray? {
    let name = object.key.description
    guard try await !catalog.refers(toObject: name) else { return nil }
    VerificationMetrics.strays.increment()
    guard mode != .look else { return Stray(object: object, isMoved: false) }
    verifier.logger.warning(
      "an object that no row refers to is moved to quarantine",
      metadata: ["object": "\(name)", "bytes": "\(object.bytes)"])
    try await store.quarantine(object.key, because: "No row of the catalog refers to it.")
    // An ingest may have stored the same content and committed it at this moment: it has lost it then, and is repaired.
    for (recording, _) in try await catalog.recordings(referringTo: [name]) {
      _ = try await verifier.verify(recording.key, mode)
    }
    return Stray(object: object, isMoved: true)
  }

  /// A catalog without any recording is rather one that was lost: its objects are no strays then.
  private func holdsRows() async throws(TapedeckError) -> Bool {
    if try await !catalog.archivedRecordings(after: 0, limit: 1).isEmpty { return true }
    verifier.logger.warning("the object store has objects, though the catalog has no recording; they are left alone")
    return false
  }
}

extension Array {
  fileprivate func chunked(by count: Int) -> [ArraySlice<Element>] {
    stride(from: 0, to: self.count, by: count).map { self[$0..<Swift.min($0 + count, self.count)] }
  }
}
