import Audio
import CXone
import Catalog
import CoreMetrics
import Logging
import Model
import ObjectStorage
import Synchronization

/// A part of a recording whose bytes are all in the spool, and its conversion if that ran during the download.
struct FetchedPart: Sendable {
  var file: SpoolFile
  /// The length that the platform declared; nil when only the end of the connection marked the end.
  var declaredLength: Int64?
  /// Nil when no conversion ran until the end of the download.
  var conversion: ConvertedFile?
  var steps: [StepTime] = []
  /// How often the downloads of the job were resumed; nil when this part was not downloaded in this claim.
  var resumes: Int?
  /// Whether the bytes were read from the archive, so they have passed the integrity check before.
  var isFromArchive = false
}

extension Ingest {
  /// Opens the spool file in which a download begins or resumes.
  ///
  /// - Throws: `leaseLost`, `storageFailed`, `diskFull`.
  func openPart(_ part: Int, of job: JobRow, lease: JobLease) async throws(TapedeckError) -> SpoolFile {
    let trusted = Checkpoint(job.part(part)?.download)?.trustedBytes(in: spool) ?? 0
    return try await spool.open(lease, part: part) { _ in trusted }
  }

  /// Downloads a part into the spool from where an earlier claim stopped, and converts it meanwhile if a slot is
  /// free.
  ///
  /// A broken download is resumed at once as long as each request returns new bytes; otherwise the job is retried
  /// later. With the last part, the job is moved to `processing` when every byte is in the spool and synced.
  func fetch(
    _ job: JobRow, lease: JobLease, source: any RecordingSource, into file: SpoolFile, isLast: Bool
  ) async throws(TapedeckError) -> FetchedPart {
    let startedAt = system.now()
    let start = ContinuousClock.now

    let platformDuration = try await platformDuration(of: job)
    async let following = followWithConversion(file, lease: lease, platformDuration: platformDuration)
    let progress = Progress(Checkpoint(job.part(file.part)?.download)?.state ?? DownloadState(), resumes: job.resumes)
    let outcome = await withTaskGroup(of: Result<Void, TapedeckError>?.self) { group in
      group.addTask { await download(job, lease: lease, source: source, into: file, progress: progress) }
      group.addTask {
        await reportProgress(of: lease, file: file, progress: progress)
      }
      var outcome: Result<Void, TapedeckError>?
      while outcome == nil, let next = await group.next() { outcome = next }
      group.cancelAll()
      return outcome ?? .failure(TapedeckError(.interrupted))
    }
    if case .failure(let error) = outcome {
      file.abandonFollowers()
      _ = await following
      try await note(progress, of: lease, file: file)
      throw try await asNotYetAvailable(error, job)
    }
    file.complete()
    try await file.sync()
    // Before the conversion, which takes minutes for a long call: a restart must not download again. The hash finds the
    // file in the object store if it was moved there and the commit failed.
    try await note(
      progress, of: lease, file: file, sha256: try await file.sha256().rawValue, movingTo: isLast ? .processing : nil)
    let step = StepTime(step: .download, startedAt: startedAt, duration: .now - start)
    IngestMetrics.record(step)
    return FetchedPart(
      file: file, declaredLength: progress.state.totalBytes, conversion: await following, steps: [step],
      resumes: progress.resumes)
  }

  /// Opens the parts that an earlier claim downloaded completely, by number.
  ///
  /// - Throws: as `reopen` of one part.
  func reopen(
    _ media: PlannedMedia, of job: JobRow, lease: JobLease
  ) async throws(TapedeckError) -> [Int: FetchedPart] {
    var parts: [Int: FetchedPart] = [:]
    for number in media.parts.map(\.part) { parts[number] = try await reopen(number, of: job, lease: lease) }
    return parts
  }

  /// Opens the bytes of a download that an earlier claim completed. They are in the spool, or in the object store,
  /// where they are moved before the commit.
  ///
  /// - Returns: nil when they are in neither.
  /// - Throws: `leaseLost`, `diskFull`, `storageFailed` when the store cannot be read.
  func reopen(_ number: Int, of job: JobRow, lease: JobLease) async throws(TapedeckError) -> FetchedPart? {
    guard let part = job.part(number), let checkpoint = Checkpoint(part.download) else { return nil }
    let file = try await openPart(number, of: job, lease: lease)
    let bytes = checkpoint.state.totalBytes ?? part.bytes
    if try await !isWhole(file, bytes: bytes, sha256: part.sha256) {
      guard let hash = part.sha256.flatMap(ContentHash.init), let name = try await catalog.original(hash),
        try await copy(name, ObjectContent(hash: hash, bytes: bytes), into: file, for: job)
      else { return nil }
    }
    file.complete()
    return FetchedPart(file: file, declaredLength: checkpoint.state.totalBytes)
  }

  /// Whether a spool file has every byte that was downloaded. Compares the hash where it is known, because the synced
  /// length of a part that was copied from the store is not.
  private func isWhole(
    _ file: SpoolFile, bytes: Int64, sha256: String?
  ) async throws(TapedeckError) -> Bool {
    guard file.length > 0, file.length == bytes else { return false }
    guard let sha256 else { return true }
    return try await file.sha256().rawValue == sha256
  }

  private func download(
    _ job: JobRow, lease: JobLease, source: any RecordingSource, into file: SpoolFile, progress: Progress
  ) async -> Result<Void, TapedeckError> {
    let part = PartLocator(job.key.id, part: file.part)
    while true {
      let (before, restarts) = (file.length, file.restarts)
      do throws(TapedeckError) {
        let state = try await source.download(part, state: progress.state, into: file) {
          state async throws(TapedeckError) in
          progress.state = state
          try await note(progress, of: lease, file: file)
        }
        progress.state = state
        return .success(())
      } catch {
        // A download that restarts from 0 each time can receive bytes forever without making progress.
        let hasProgressed = file.length > before && (before == 0 || file.restarts == restarts)
        guard error.code == .downloadInterrupted, hasProgressed, progress.state.isResumable, !Task.isCancelled
        else { return .failure(error) }
        progress.resumes += 1
        IngestMetrics.resumes.increment()
        logger.info(
          "the download was interrupted; resuming it",
          metadata: [
            "recording": "\(job.key)", "bytes": "\(file.length)", "reason": "\(error.detail ?? error.message)",
          ])
        try? await system.sleep(settings.retry.delay(attempt: 0, random: system.random()))
      }
    }
  }

  /// Records the progress of the download once a second.
  ///
  /// - Returns: `leaseLost` when the lease is lost; nil when the task is cancelled.
  private func reportProgress(
    of lease: JobLease, file: SpoolFile, progress: Progress
  ) async -> Result<Void, TapedeckError>? {
    var reported = file.length
    while (try? await system.sleep(.seconds(1))) != nil {
      guard file.length != reported else { continue }
      reported = file.length
      do throws(TapedeckError) {
        try await note(progress, of: lease, file: file)
      } catch {
        // Other errors may be temporary, so the download continues.
        if error.code == .leaseLost { return .failure(error) }
      }
    }
    return nil
  }

  private func note(
    _ progress: Progress, of lease: JobLease, file: SpoolFile, sha256: String? = nil, movingTo stage: Stage? = nil
  ) async throws(TapedeckError) {
    let state = progress.state
    try await catalog.recordProgress(
      of: lease,
      JobPart(
        file.part, download: Checkpoint(state: state, syncedBytes: file.syncedLength, spool: spool).json,
        bytes: file.length, totalBytes: state.totalBytes, sha256: sha256),
      resumes: progress.resumes, stage: stage)
  }

  // MARK: Following

  /// Converts while the bytes arrive, if a slot is free now; releases the slot when the download stalls or restarts, or
  /// when it is idle while others wait for a slot.
  private func followWithConversion(
    _ file: SpoolFile, lease: JobLease, platformDuration: Duration?
  ) async -> ConvertedFile? {
    guard conversions.tryAcquire() else { return nil }
    let result = await withTaskGroup(of: ConvertedFile?.self) { group in
      // A failure here is not final: the integrity check reads the whole file first, then the conversion runs again.
      group.addTask { try? await convert(file, lease: lease, isGrowing: true, platformDuration: platformDuration) }
      group.addTask {
        await watchForStall(of: file)
        return nil
      }
      let first = await group.next() ?? nil
      group.cancelAll()
      return first
    }
    conversions.release()
    return result
  }

  /// Returns when the conversion that follows a download should release its slot.
  private func watchForStall(of file: SpoolFile) async {
    var last = (length: file.length, at: system.now())
    while (try? await system.sleep(.seconds(1))) != nil {
      let now = system.now()
      // Also when the clock was set back.
      if file.length != last.length || !file.isStarving || last.at > now { last = (file.length, now) }
      if now - last.at >= settings.stall { return }
      if file.isStarving, conversions.waiterCount > 0 { return }
    }
  }
}

/// The progress of a download, shared by the task that downloads and the task that reports.
private final class Progress: Sendable {
  private let values: Mutex<(state: DownloadState, resumes: Int)>

  init(_ state: DownloadState, resumes: Int) { values = Mutex((state, resumes)) }

  var state: DownloadState {
    get { values.withLock { $0.state } }
    set { values.withLock { $0.state = newValue } }
  }

  var resumes: Int {
    get { values.withLock { $0.resumes } }
    set { values.withLock { $0.resumes = newValue } }
  }
}
