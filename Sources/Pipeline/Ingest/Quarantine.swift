import Audio
import CXone
package import Catalog
import Glibc
package import Model
package import ObjectStorage
import SystemPackage

/// The decisions about files that were refused: archive one as it is, or remove it.
package struct Quarantine: Sendable {
  private let catalog: Catalog
  private let store: any ObjectStore
  private let spool: Spool

  package init(catalog: Catalog, store: any ObjectStore, spool: Spool) {
    self.catalog = catalog
    self.store = store
    self.spool = spool
  }

  /// Accepts a file: it is archived as it is. Its bytes are moved to the object store first, so that any node can
  /// continue; after a crash in between, the file is still in quarantine.
  ///
  /// - Throws: `unsupportedAudio` when the file cannot be converted; `notFound` when the file is not on this node;
  ///   `objectDamaged` when it has other bytes; `jobEnded`, `alreadyExists`, `diskFull`, `storageFailed`;
  ///   `unauthenticated` or `insufficientPermissions` when the entry's actor may no longer decide.
  package func accept(
    _ row: QuarantineRow, reason: String, clearance: Privacy, by requester: String, entry: LogEntry
  ) async throws(TapedeckError) -> JobRow {
    try await catalog.requireActor(of: entry, may: .manageJobs)
    guard row.state == .kept else { throw TapedeckError(.jobEnded, "This file was already \(row.state.rawValue).") }
    let path = try localPath(of: row)
    guard try await spool.hasQuarantined(path) else {
      throw TapedeckError(
        .notFound, "The quarantined file is missing. Discard it and request the recording again.")
    }
    guard try await spool.measure(path) == row.content else {
      throw TapedeckError(.objectDamaged, "The quarantined file has changed since it was quarantined.")
    }
    let firstBytes = try await spool.prefix(of: path, WAVHeader.maximumLength)
    let container = MediaSignature(firstBytes).container
    switch (WAVHeader.read(firstBytes), container) {
    case (.header(let header), _): try ConversionLimits().checkRate(of: header)
    case (_, let container?) where container != .wav: break
    default:
      throw TapedeckError(
        .unsupportedAudio, "The file has no usable header, so it cannot be converted. Discard it, or copy it.")
    }
    let kind = container.flatMap { ObjectName.Kind(rawValue: $0.rawValue) } ?? .wav
    let link = try await spool.link(path, as: "0-accepted-\(row.id)")
    let names = try await catalog.reserve([(kind, row.content)])
    guard let name = names.first else { throw TapedeckError(.internalError, detail: "no name was reserved") }
    try await store.store(link, as: name, content: row.content)
    let state = DownloadState(totalBytes: row.content.bytes)
    let part = JobPart(
      row.part, download: Checkpoint(state: state, syncedBytes: 0, spool: spool).json, bytes: row.content.bytes,
      totalBytes: row.content.bytes, sha256: row.content.hash.rawValue)
    let job = try await catalog.loggingDenial(of: entry) { () throws(TapedeckError) in
      try await catalog.acceptQuarantined(
        row.id, part: part, reason: reason, clearance: clearance, by: requester, entry: entry)
    }
    // The decision is made: a file that cannot be removed now is removed at the next start.
    try? await spool.removeQuarantined(row.file)
    return job
  }

  /// Removes a file. The decision is committed first; when the removal fails, it can be repeated.
  ///
  /// - Throws: `notFound` when the file is not on this node; `jobEnded` when it was accepted, or discarded and removed;
  ///   `storageFailed`; `unauthenticated` or `insufficientPermissions` when the entry's actor may no longer decide.
  package func discard(
    _ row: QuarantineRow, reason: String, by requester: String, entry: LogEntry
  ) async throws(TapedeckError) {
    try await catalog.requireActor(of: entry, may: .manageJobs)
    let path = try localPath(of: row)
    let isUnfinished = row.state == .discarded ? try await spool.hasQuarantined(path) : false
    if !isUnfinished {
      try await catalog.loggingDenial(of: entry) { () throws(TapedeckError) in
        try await catalog.discardQuarantined(row.id, reason: reason, by: requester, entry: entry)
      }
    }
    try await spool.removeQuarantined(row.file)
  }

  private func localPath(of row: QuarantineRow) throws(TapedeckError) -> FilePath {
    guard row.spoolID == spool.id else {
      throw TapedeckError(
        .notFound,
        "This node does not have the file: it is in \(row.node). Run the command on that node, or send the request to it."
      )
    }
    return spool.quarantined(row.file)
  }
}
