import Catalog
import Logging
import Model
import NIOCore
import ObjectStorage

extension Ingest {
  /// Copies the kept original of an archived recording back into the spool, to convert it again.
  ///
  /// - Returns: nil when there is no original or it is damaged; it must be downloaded again then.
  /// - Throws: `diskFull`, `leaseLost`, `storageFailed` when the store cannot be read.
  func copyOriginal(of job: JobRow, lease: JobLease) async throws(TapedeckError) -> FetchedRecording? {
    // Bytes that this job downloaded are newer than the archived ones; bytes that were refused are not tried again.
    guard job.parts.isEmpty, job.refusals == 0, let part = try await catalog.archived(job.key)?.parts.first,
      let name = part.original
    else { return nil }
    let file = try await openPart(0, of: job, lease: lease)
    let content = ObjectContent(hash: part.sourceHash, bytes: part.sourceBytes)
    guard try await copy(name, content, into: file, for: job) else { return nil }
    file.complete()
    logger.info("converting the kept original again", metadata: ["recording": "\(job.key)"])
    return FetchedRecording(file: file, declaredLength: part.sourceBytes, isFromArchive: true)
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
  /// - Returns: nil when there was none, the original is another one, or the file is damaged.
  func kept(
    _ file: MediaPart.File?, of before: MediaPart?, source: ContentHash
  ) async throws(TapedeckError) -> MediaPart.File? {
    guard let file, before?.sourceHash == source else { return nil }
    do throws(TapedeckError) {
      return try await store.content(of: file.name) == file.content ? file : nil
    } catch {
      guard error.code == .objectMissing || error.code == .objectDamaged else { throw error }
      return nil
    }
  }

  /// The warning of a recording; a repair with the same original keeps it, one with another original says so.
  func warning(
    about part: MediaPart, replacing before: (recording: RecordingRow, part: MediaPart)?, found: [String]
  ) -> String? {
    var sentences = found
    if let before {
      if before.part.sourceHash == part.sourceHash { return before.recording.warning }
      let day = (before.recording.archivedAt ?? before.recording.firstSeenAt).iso8601.prefix(10)
      sentences.append(
        "The platform's file differs from the one that was archived on \(day), which was damaged: its SHA-256 was \(before.part.sourceHash) and is \(part.sourceHash)."
      )
    }
    return sentences.isEmpty ? nil : sentences.joined(separator: " ")
  }
}
