import Catalog
import Logging
import Model
import NIOCore
import ObjectStorage

extension Ingest {
  /// Copies the kept originals of an archived recording back into the spool, to convert them again.
  ///
  /// - Returns: the parts by number. Those without an original, or with a damaged one, must be downloaded again.
  /// - Throws: `diskFull`, `leaseLost`, `storageFailed` when the store cannot be read.
  func copyOriginals(
    of job: JobRow, _ media: PlannedMedia, lease: JobLease
  ) async throws(TapedeckError) -> [Int: FetchedPart] {
    // Bytes that this job downloaded are newer than the archived ones; bytes that were refused are not tried again.
    guard job.parts.isEmpty, job.refusals == 0, let parts = try await catalog.archived(job.key)?.parts,
      parts.map(\.part) == media.parts.map(\.part)
    else { return [:] }
    var copied: [Int: FetchedPart] = [:]
    for part in parts {
      guard let name = part.original else { continue }
      let file = try await openPart(part.part, of: job, lease: lease)
      let content = ObjectContent(hash: part.sourceHash, bytes: part.sourceBytes)
      guard try await copy(name, content, into: file, for: job) else { continue }
      file.complete()
      copied[part.part] = FetchedPart(file: file, declaredLength: part.sourceBytes, isFromArchive: true)
    }
    if !copied.isEmpty { logger.info("converting kept originals again", metadata: ["recording": "\(job.key)"]) }
    return copied
  }

  /// Replaces the content of a spool file by an object, and moves the object to quarantine when it is damaged.
  ///
  /// - Returns: whether the file has the expected content; otherwise it is empty.
  /// - Throws: `diskFull`, `storageFailed` when the store cannot be read or returned different bytes for one object.
  func copy(
    _ name: ObjectName, _ content: ObjectContent, into file: SpoolFile, for job: JobRow
  ) async throws(TapedeckError) -> Bool {
    try await file.cut(to: 0)
    let object: any StoredObject
    do { object = try await store.open(name) } catch {
      if error.code == .objectMissing { return false }
      throw error
    }
    do throws(TapedeckError) {
      while file.length < object.bytes {
        let bytes = try await object.read(at: file.length, limit: 1 << 20)
        guard bytes.readableBytes > 0 else { break }
        try await file.append(bytes)
      }
    } catch {
      guard error.code == .objectDamaged || error.code == .objectMissing else { throw error }
    }
    let hash = try await file.sha256()
    if ObjectContent(hash: hash, bytes: file.length) == content { return true }
    try await file.cut(to: 0)
    guard try await isDamaged(name, content) else { return false }
    logger.error("a stored original is damaged; the recording is fetched again", metadata: ["recording": "\(job.key)"])
    try await store.quarantine(name, because: "Its SHA-256 is \(hash), not \(content.hash). Recording \(job.key).")
    return false
  }

  /// Reads an object with unexpected bytes again before it is moved to quarantine: the first read may have used a file
  /// that was open since before another node replaced it.
  ///
  /// - Returns: false when the object no longer exists.
  /// - Throws: `storageFailed` when it is whole.
  private func isDamaged(_ name: ObjectName, _ content: ObjectContent) async throws(TapedeckError) -> Bool {
    do throws(TapedeckError) {
      if try await store.content(of: name) != content { return true }
    } catch {
      switch error.code {
      case .objectDamaged: return true
      case .objectMissing: return false
      default: throw error
      }
    }
    throw TapedeckError(.storageFailed, detail: "\(name) returned other bytes than it has now")
  }

  /// The file that a repaired recording keeps: its previous one if that is whole, so that files that were announced or
  /// are being played do not change.
  ///
  /// - Parameter isSame: whether it was made of the same originals.
  /// - Returns: nil when there was none, the originals are others, or the file is damaged.
  func kept(_ file: MediaPart.File?, ifSame isSame: Bool) async throws(TapedeckError) -> MediaPart.File? {
    guard let file, isSame else { return nil }
    do throws(TapedeckError) {
      return try await store.content(of: file.name) == file.content ? file : nil
    } catch {
      guard error.code == .objectMissing || error.code == .objectDamaged else { throw error }
      return nil
    }
  }

  /// The warning of a recording; a repair with the same originals keeps it, one with others says so.
  func warning(
    about parts: [MediaPart], replacing before: (recording: RecordingRow, parts: [MediaPart])?, found: [String]
  ) -> String? {
    var sentences = found
    if let before {
      if before.parts.map(\.sourceHash) == parts.map(\.sourceHash) { return before.recording.warning }
      let day = (before.recording.archivedAt ?? before.recording.firstSeenAt).iso8601.prefix(10)
      for (old, new) in zip(before.parts, parts) where old.sourceHash != new.sourceHash {
        sentences.append(
          "The platform's file differs from the one that was archived on \(day), which was damaged: its SHA-256 was \(old.sourceHash) and is \(new.sourceHash)."
        )
      }
    }
    return sentences.isEmpty ? nil : sentences.joined(separator: " ")
  }
}
