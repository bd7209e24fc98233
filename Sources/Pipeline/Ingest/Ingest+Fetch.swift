import Audio
import CXone
import Catalog
import CoreMetrics
import Logging
import Model
import ObjectStorage
import Synchronization

/// A recording whose bytes are all in the spool, with what FFmpeg made of them on the way.
struct FetchedRecording: Sendable {
  var file: SpoolFile
  /// Bytes that the platform's answer proves to be all; nil when only the connection's end said so.
  var declaredLength: Int64?
  /// Nil when no conversion could follow the download to its end.
  var conversion: ConvertedFile?
  var steps: [StepTime] = []
  /// Whether the bytes are those of a recording of the archive, by their hash: they have passed the gate.
  var isRestored = false
}

extension Ingest {
  /// The spool file that a download goes on with.
  ///
  /// - Throws: `leaseLost`, `storageFailed`, `diskFull`.
  func openPart(_ part: Int, of job: JobRow, lease: JobLease) async throws(TapedeckError) -> SpoolFile {
    let trusted = Checkpoint(job.part(part)?.download)?.trustedBytes(in: spool) ?? 0
    return try await spool.open(lease, part: part) { _ in trusted }
  }

  /// Brings every byte into the spool, going on where an earlier claim stopped; a conversion follows if a slot is free.
  ///
  /// A broken connection is taken up again at once as long as each try brings new bytes; else the job tries later. The
  /// job is `processing` from the moment when every byte is here and synced.
  func fetch(
    _ job: JobRow, lease: JobLease, source: any RecordingSource, into file: SpoolFile
  ) async throws(TapedeckError) -> FetchedRecording {
    let startedAt = system.now()
    let start = ContinuousClock.now

    async let following = followWithConversion(file, lease: lease)
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
      throw error
    }
    file.complete()
    try await file.sync()
    // Not after the conversion: of a long call that takes minutes, and a restart must not ask the platform again. With the
    // hash, by which the file is found again when it has left the spool and the commit does not come.
    try await note(progress, of: lease, file: file, sha256: try await file.sha256().rawValue, movingTo: .processing)
    let step = StepTime(step: .download, startedAt: startedAt, duration: .now - start)
    IngestMetrics.record(step)
    return FetchedRecording(
      file: file, declaredLength: progress.state.totalBytes, conversion: await following, steps: [step])
  }

  /// The bytes of a job that were all here before its last claim ended: in the spool, or already in the store, where they
  /// are moved before the commit. Nil when they are in neither.
  ///
  /// - Throws: `leaseLost`, `diskFull`, `storageFailed` when the store cannot be read.
  func reopen(_ number: Int, of job: JobRow, lease: JobLease) async throws(TapedeckError) -> FetchedRecording? {
    guard let part = job.part(number), let checkpoint = Checkpoint(part.download) else { return nil }
    let file = try await openPart(number, of: job, lease: lease)
    let bytes = checkpoint.state.totalBytes ?? part.bytes
    if try await !isWhole(file, bytes: bytes, sha256: part.sha256) {
      guard let hash = part.sha256.flatMap(ContentHash.init), let name = try await catalog.object(.wav, hash),
        try await bring(name, ObjectContent(hash: hash, bytes: bytes), into: file, for: job)
      else { return nil }
    }
    file.complete()
    return FetchedRecording(file: file, declaredLength: checkpoint.state.totalBytes)
  }

  /// Whether a part is all that was fetched. By its hash where that is known: of a part that was brought back from the
  /// store the synced length is unknown.
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
    while true {
      let (before, restarts) = (file.length, file.restarts)
      do throws(TapedeckError) {
        let state = try await source.download(job.key.id, state: progress.state, into: file) {
          state async throws(TapedeckError) in
          progress.state = state
          try await note(progress, of: lease, file: file)
        }
        progress.state = state
        return .success(())
      } catch {
        // A file that is dropped and begun again each time can grow for ever without coming nearer to its end.
        let isNearer = file.length > before && (before == 0 || file.restarts == restarts)
        guard error.code == .downloadInterrupted, isNearer, progress.state.isResumable, !Task.isCancelled
        else { return .failure(error) }
        progress.resumes += 1
        IngestMetrics.resumes.increment()
        logger.info(
          "the download broke off; going on",
          metadata: [
            "recording": "\(job.key)", "bytes": "\(file.length)", "reason": "\(error.detail ?? error.message)",
          ])
        try? await system.sleep(settings.retry.delay(attempt: 0, random: system.random()))
      }
    }
  }

  /// Writes down once a second how far the download is.
  ///
  /// - Returns: `leaseLost` as soon as that shows; nil when there is nothing more to report.
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
        // Anything else may pass before the download ends.
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

  /// Converts while the bytes arrive, if a slot is free now; gives the slot back when the download stalls, starts
  /// again, or leaves FFmpeg idle while others wait for a slot.
  private func followWithConversion(
    _ file: SpoolFile, lease: JobLease
  ) async -> ConvertedFile? {
    guard await conversions.takeIfFree() else { return nil }
    let result = await withTaskGroup(of: ConvertedFile?.self) { group in
      // A failure here is no verdict yet: the gate looks at the whole file first, then the conversion runs again.
      group.addTask { try? await convert(file, lease: lease, isGrowing: true) }
      group.addTask {
        await watchForStall(of: file)
        return nil
      }
      let first = await group.next() ?? nil
      group.cancelAll()
      return first
    }
    await conversions.give()
    return result
  }

  /// Returns when the conversion that follows a download should give up its slot.
  private func watchForStall(of file: SpoolFile) async {
    var last = (length: file.length, at: system.now())
    while (try? await system.sleep(.seconds(1))) != nil {
      let now = system.now()
      if file.length != last.length || !file.isStarving { last = (file.length, now) }
      if now - last.at >= settings.stall { return }
      if file.isStarving, await conversions.isWanted { return }
    }
  }
}

/// How far a download is; shared by the task that downloads and the one that reports.
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
