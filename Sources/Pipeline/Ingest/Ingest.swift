package import Audio
package import CXone
package import Catalog
import Foundation
package import Logging
package import Model
package import ObjectStorage

/// Archives one recording: asks the platform for it, downloads, converts, checks and commits it.
///
/// `run` is the order of the work, as one switch over the stage. Each stage is idempotent; what it needs to resume
/// after a crash is in the job's row and the spool.
package struct Ingest: Sendable {
  let catalog: Catalog
  let sources: [SourceID: any RecordingSource]
  let store: any ObjectStore
  let spool: Spool
  let transcoder: Transcoder
  /// One permit per core, because each conversion has one thread.
  let conversions: AsyncSemaphore
  let diskSpace: DiskSpaceMonitor
  let settings: IngestSettings
  let system: SystemServices
  let logger: Logger

  package init(
    catalog: Catalog, sources: [any RecordingSource], store: any ObjectStore, spool: Spool,
    transcoder: Transcoder, conversions: AsyncSemaphore, diskSpace: DiskSpaceMonitor, settings: IngestSettings,
    system: SystemServices,
    logger: Logger
  ) {
    self.catalog = catalog
    self.sources = Dictionary(sources.map { ($0.id, $0) }) { first, _ in first }
    self.store = store
    self.spool = spool
    self.transcoder = transcoder
    self.conversions = conversions
    self.diskSpace = diskSpace
    self.settings = settings
    self.system = system
    self.logger = logger
  }

  /// Whether an attempt repeats one that failed at the platform. Only such attempts count against the retry budget: one
  /// after a worker's crash or a local failure says nothing about the platform, and a conversion sends it no request.
  private func repeatsRequest(_ job: JobRow) -> Bool {
    guard job.attempts > 1, job.stage != .processing, let code = job.failure?.code else { return false }
    return [
      .platformUnavailable, .platformRateLimited, .downloadInterrupted, .retryBudgetSpent, .platformCredentialsRefused,
    ].contains(code)
  }

  /// Runs a claimed job as far as possible now.
  ///
  /// - Returns: how to release the job; nil when the recording is archived.
  package func run(_ job: JobRow) async throws(TapedeckError) -> JobRelease? {
    if repeatsRequest(job) { try await source(of: job).admitRetry() }
    let lease = JobLease(jobID: job.id, fence: job.fence)
    var job = job
    /// The parts whose bytes are all in the spool, by number.
    var spooled: [Int: FetchedPart] = [:]
    /// The file whose content is being examined.
    var examined: SpoolFile?
    while true {
      do throws(TapedeckError) {
        switch job.stage {
        case .queued, .awaiting:
          return try await askPlatform(about: job, source: try source(of: job))
        case .fetching:
          if try await isBeyondClearance(job) { return .awaitClearance }
          let numbers = try await media(of: job).parts.map(\.part)
          // An earlier claim may have downloaded some of several parts.
          for number in numbers where numbers.count > 1 && spooled[number] == nil && job.part(number)?.sha256 != nil {
            spooled[number] = try await reopen(number, of: job, lease: lease)
          }
          let missing = numbers.filter { spooled[$0] == nil }
          for number in missing {
            let file = try await openPart(number, of: job, lease: lease)
            examined = file
            spooled[number] = try await fetch(
              job, lease: lease, source: try source(of: job), into: file, isLast: number == missing.last)
            job.resumes = spooled[number]?.resumes ?? job.resumes
          }
          if missing.isEmpty { try await catalog.advance(lease, to: .processing) }
          job.stage = .processing
        case .processing:
          let media = try await media(of: job)
          if spooled.isEmpty {
            spooled = try await reopen(media, of: job, lease: lease)
            // Before the conversion, which would otherwise be repeated each time the check has to wait.
            if spooled.count == media.parts.count,
              case .later(let release) = try await checkPrivacy(of: job, source: try source(of: job))
            {
              return release
            }
          }
          if spooled.isEmpty { spooled = try await copyOriginals(of: job, media, lease: lease) }
          let wholes = media.parts.compactMap { spooled[$0.part] }
          guard wholes.count == media.parts.count else {
            job.stage = .fetching
            try await catalog.advance(lease, to: .fetching)
            continue
          }
          var checked: [CheckedPart] = []
          for whole in wholes {
            examined = whole.file
            checked.append(try await convertAndCheck(whole, job: job, lease: lease))
          }
          examined = nil
          return try await archive(try await inOneFormat(checked, lease: lease), of: media, job: job, lease: lease)
        case .ready:
          return nil
        }
      } catch {
        let isContentError = [.incompleteRecording, .conversionFailed, .unsupportedAudio].contains(error.code)
        guard isContentError, let bytes = examined else { throw error }
        try await refuse(bytes, job: job, lease: lease, because: error)
        job.refusals += 1
        job.parts = []
        (examined, spooled) = (nil, [:])
        job.stage = .fetching
        try await catalog.advance(lease, to: .fetching)
      }
    }
  }

  /// The media files of a job's recording: those that the platform named, or those that are archived.
  private func media(of job: JobRow) async throws(TapedeckError) -> PlannedMedia {
    if let media = job.media { return media }
    guard let (recording, parts) = try await catalog.archived(job.key), !parts.isEmpty else { return .single }
    return PlannedMedia(parts: parts.map(\.facts), missing: recording.missingParts)
  }

  func source(of job: JobRow) throws(TapedeckError) -> any RecordingSource {
    if let source = sources[job.key.source] { return source }
    throw TapedeckError.sourceNotInSettings(job.key.source)
  }

  private func isBeyondClearance(_ job: JobRow) async throws(TapedeckError) -> Bool {
    let privacy = try await catalog.recording(job.key)?.facts.privacy ?? .standard
    return privacy > job.clearance
  }

  // MARK: Refusing

  /// Handles bytes that are not a complete recording: discards them the first time, to download them again, and moves
  /// them to quarantine the second time.
  private func refuse(
    _ file: SpoolFile, job: JobRow, lease: JobLease, because error: TapedeckError
  ) async throws(TapedeckError) {
    // A file that is not supported would not be supported after a second download either.
    guard job.refusals > 0 || error.code == .unsupportedAudio else {
      logger.warning(
        "the platform sent an incomplete recording; downloading it again",
        metadata: ["recording": "\(job.key)", "reason": "\(error.message)", "detail": "\(error.detail ?? "")"])
      try await catalog.recordRefusal(of: lease)
      try await spool.clear(lease)
      return
    }
    let now = system.now()
    let name = "\(now.iso8601.filter { $0 != ":" })-\(lease.jobID)-\(lease.fence)"
    // The row is written first: a row without a file can be discarded, but a file without a row is not listed.
    let hash = try await file.sha256()
    let known = try await catalog.addToQuarantine(
      job.key, part: file.part, because: error, content: ObjectContent(hash: hash, bytes: file.length),
      spoolID: spool.id, node: spool.node, file: name)
    // A file that has changed there is replaced by the one that was just downloaded.
    if try await spool.quarantinedHash(of: known) != hash {
      try await spool.refuse(file, as: known, key: job.key, because: error, at: now)
    }
    try await spool.clear(lease)
    throw error
  }
}

/// The settings of the pipeline.
package struct IngestSettings: Sendable {
  package var waiting: WaitingSchedule
  package var retry: RetrySchedule
  /// Whether originals are stored in addition to the MP3.
  package var keepsOriginals: Bool
  /// Whether a webhook message is sent for each recording.
  package var announces: Bool
  /// How long a download may receive no byte before its conversion slot is released.
  package var stall: Duration

  package init(
    waiting: WaitingSchedule = WaitingSchedule(), retry: RetrySchedule = RetrySchedule(), keepsOriginals: Bool = true,
    announces: Bool = false, stall: Duration = .seconds(5)
  ) {
    self.waiting = waiting
    self.retry = retry
    self.keepsOriginals = keepsOriginals
    self.announces = announces
    self.stall = stall
  }
}
