import Catalog
import Logging
import Model
import NIOCore
import ObjectStorage

extension Ingest {
  /// Brings the kept original of a recording of the archive back into the spool, to be converted again.
  ///
  /// - Returns: nil when there is none, or it is not what was archived; the platform must be asked then.
  /// - Throws: `diskFull`, `leaseLost`, `storageFailed` when the store cannot be read.
  func restore(_ job: JobRow, lease: JobLease) async throws(TapedeckError) -> Spooled? {
    // Bytes that this job fetched are newer than those of the archive; bytes that were refused are not tried again.
    guard job.download == nil, job.refusals == 0, let part = try await catalog.archived(job.key)?.parts.first,
      let key = part.originalKey.flatMap({ ObjectKey($0) })
    else { return nil }
    let file = try await openPart(of: job, lease: lease)
    guard try await bring(key, bytes: part.sourceBytes, into: file, for: job) else { return nil }
    file.complete()
    logger.info("converting the kept original again", metadata: ["recording": "\(job.key)"])
    return Spooled(file: file, declaredLength: part.sourceBytes, isRestored: true)
  }

  /// Copies an object into a spool file, in place of what is there, and moves it to quarantine when its bytes are others.
  ///
  /// - Returns: whether the file is what the key says; it is empty otherwise.
  /// - Throws: `diskFull`, `storageFailed` when the store cannot be read, or not trusted.
  func bring(
    _ key: ObjectKey, bytes: Int64, into file: SpoolFile, for job: JobRow
  ) async throws(TapedeckError) -> Bool {
    try await file.cut(to: 0)
    let object: any StoredObject
    do { object = try await store.open(key) } catch {
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
    let sha256 = try await file.sha256()
    if file.length == bytes, sha256 == key.sha256 { return true }
    try await file.cut(to: 0)
    guard try await isDamaged(key, bytes: bytes) else { return false }
    logger.error("a stored original is damaged; the recording is fetched again", metadata: ["recording": "\(job.key)"])
    try await store.quarantine(key, because: "Its SHA-256 is \(sha256). Recording \(job.key).")
    return false
  }

  /// Asks again about an object that gave other bytes, before it is moved away: what was read may have been held open
  /// since before somebody put a whole one in its place.
  ///
  /// - Returns: false when it is not there any more.
  /// - Throws: `storageFailed` when it is whole.
  private func isDamaged(_ key: ObjectKey, bytes: Int64) async throws(TapedeckError) -> Bool {
    do throws(TapedeckError) {
      if try await store.sha256(of: key) != (key.sha256, bytes) { return true }
    } catch {
      switch error.code {
      case .objectDamaged: return true
      case .objectMissing: return false
      default: throw error
      }
    }
    throw TapedeckError(.storageFailed, detail: "\(key) gave other bytes than those that are there now")
  }

  /// The file that a repaired recording keeps: the one that it had, if that is whole, so that what was told to others
  /// and is being played stays what it is.
  ///
  /// - Returns: nil when it had none, or another original, or the file is damaged.
  func kept(_ file: MediaPart.File?, of before: MediaPart?, source: String) async throws(TapedeckError)
    -> MediaPart.File?
  {
    guard let file, before?.sourceSHA256 == source, let key = ObjectKey(file.key) else { return nil }
    do throws(TapedeckError) {
      return try await store.sha256(of: key) == (file.sha256, file.bytes) ? file : nil
    } catch {
      guard error.code == .objectMissing || error.code == .objectDamaged else { throw error }
      return nil
    }
  }

  /// What is odd about a repaired recording: as before where its original is the same, else that it is another.
  func warning(
    about part: MediaPart, replacing before: (recording: RecordingRow, part: MediaPart)?, found: [String]
  ) -> String? {
    var sentences = found
    if let before {
      if before.part.sourceSHA256 == part.sourceSHA256 { return before.recording.warning }
      let day = (before.recording.archivedAt ?? before.recording.firstSeenAt).iso8601.prefix(10)
      sentences.append(
        "The platform's file differs from the one that was archived on \(day), which was damaged: its SHA-256 was \(before.part.sourceSHA256) and is \(part.sourceSHA256)."
      )
    }
    return sentences.isEmpty ? nil : sentences.joined(separator: " ")
  }
}
