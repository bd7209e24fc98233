package import Audio
package import CXone
package import Catalog
import Foundation
package import Logging
package import Model
package import ObjectStorage

/// The walk of one recording, from an id to sound in the archive.
///
/// `walk` is the whole order of work as one switch over the stage. Each stage may run twice and ends the same; what it
/// needs to go on after a crash is in the job's row and the spool.
package struct Ingest: Sendable {
  let catalog: Catalog
  let sources: [SourceID: any RecordingSource]
  let store: any ObjectStore
  let spool: Spool
  let ffmpeg: FFmpeg
  /// One place per core: FFmpeg encodes on one thread.
  let conversions: Slots
  let diskSpace: DiskSpaceGate
  let settings: IngestSettings
  let system: SystemServices
  let logger: Logger

  package init(
    catalog: Catalog, sources: [any RecordingSource], store: any ObjectStore, spool: Spool, ffmpeg: FFmpeg,
    conversions: Slots, diskSpace: DiskSpaceGate, settings: IngestSettings, system: SystemServices, logger: Logger
  ) {
    self.catalog = catalog
    self.sources = Dictionary(sources.map { ($0.id, $0) }) { first, _ in first }
    self.store = store
    self.spool = spool
    self.ffmpeg = ffmpeg
    self.conversions = conversions
    self.diskSpace = diskSpace
    self.settings = settings
    self.system = system
    self.logger = logger
  }

  /// Whether an attempt is made because an earlier one asked the platform in vain. One that goes on for a worker that died,
  /// or after a failure of ours, is no sign of a platform in trouble; a conversion asks it nothing.
  private func asksAgain(_ job: JobRow) -> Bool {
    guard job.attempts > 1, job.stage != .processing, let code = job.failure?.code else { return false }
    return [.platformUnavailable, .platformRateLimited, .downloadInterrupted, .retryBudgetSpent].contains(code)
  }

  /// Takes a claimed job as far as it goes now.
  ///
  /// - Returns: how to let the job go; nil when it ended in the archive.
  package func walk(_ job: JobRow) async throws(TapedeckError) -> JobRelease? {
    if asksAgain(job) { try await source(of: job).admitRetry() }
    let lease = JobLease(jobID: job.id, fence: job.fence)
    var job = job
    var part: SpoolFile?
    var spooled: FetchedRecording?
    while true {
      do throws(TapedeckError) {
        switch job.stage {
        case .queued, .awaiting:
          return try await askPlatform(about: job, source: try source(of: job))
        case .fetching:
          if try await isBeyondClearance(job) { return .awaitClearance }
          let file = try await openPart(0, of: job, lease: lease)
          part = file
          spooled = try await fetch(job, lease: lease, source: try source(of: job), into: file)
          job.stage = .processing
        case .processing:
          if spooled == nil {
            spooled = try await reopen(0, of: job, lease: lease)
            // It would be converted anew each time, only to wait again.
            if spooled != nil, case .later(let release) = try await recheckPrivacy(on: job, source: try source(of: job))
            {
              return release
            }
          }
          if spooled == nil { spooled = try await restore(job, lease: lease) }
          guard let whole = spooled else {
            job.stage = .fetching
            try await catalog.advance(lease, to: .fetching)
            continue
          }
          part = whole.file
          let checked = try await convertAndCheck(whole, job: job, lease: lease)
          return try await archive(checked, job: job, lease: lease)
        case .ready:
          return nil
        }
      } catch {
        guard error.code == .incompleteRecording || error.code == .conversionFailed, let bytes = part else {
          throw error
        }
        try await refuse(bytes, job: job, lease: lease, because: error)
        job.refusals += 1
        job.parts = []
        (part, spooled) = (nil, nil)
        job.stage = .fetching
        try await catalog.advance(lease, to: .fetching)
      }
    }
  }

  func source(of job: JobRow) throws(TapedeckError) -> any RecordingSource {
    if let source = sources[job.key.source] { return source }
    throw TapedeckError(
      .configurationInvalid, "The source '\(job.key.source)' is not configured. Configure it or cancel the job.")
  }

  // MARK: Waiting

  /// Asks whether the recording is available, and writes down all that the platform says.
  private func askPlatform(about job: JobRow, source: any RecordingSource) async throws(TapedeckError) -> JobRelease {
    let facts = try await source.recording(job.key.id)
    let recording = try await catalog.observe(facts, of: job.key)
    if recording.facts.privacy > job.clearance { return .awaitClearance }
    switch facts.status {
    case .failed: throw TapedeckError(.recordingFailedOnPlatform)
    case .available:
      let waited = StepTime(
        step: .waiting, startedAt: job.requestedAt, duration: system.now() - job.requestedAt)
      try await catalog.recordStep(waited, of: job.id)
      IngestMetrics.record(waited)
      return .handOver(.fetching)
    case .processing:
      guard job.polls + 1 < settings.waiting.attempts else {
        throw TapedeckError(
          .neverAvailable,
          "The platform did not make the recording available in \(settings.waiting.attempts) attempts. Ask again later."
        )
      }
      return .snooze(
        until: system.now() + settings.waiting.delay(attempt: job.polls, random: system.random()))
    }
  }

  private func isBeyondClearance(_ job: JobRow) async throws(TapedeckError) -> Bool {
    let privacy = try await catalog.recording(job.key)?.facts.privacy ?? .standard
    return privacy > job.clearance
  }

  // MARK: Refusing

  /// Bytes that are no whole recording: dropped and fetched again the first time, kept in quarantine the second.
  private func refuse(
    _ file: SpoolFile, job: JobRow, lease: JobLease, because error: TapedeckError
  ) async throws(TapedeckError) {
    guard job.refusals > 0 else {
      logger.warning(
        "what the platform sent is no whole recording; fetching it once more",
        metadata: ["recording": "\(job.key)", "reason": "\(error.message)", "detail": "\(error.detail ?? "")"])
      try await catalog.recordRefusal(of: lease)
      try await spool.clear(lease)
      return
    }
    try await spool.refuse(file, of: lease, key: job.key, because: error, at: system.now())
    try await spool.clear(lease)
    throw error
  }
}

/// How the pipeline works; each value comes from a setting.
package struct IngestSettings: Sendable {
  package var waiting: WaitingSchedule
  package var retry: RetrySchedule
  /// Whether the bytes that the platform sent are kept beside the MP3.
  package var keepsOriginals: Bool
  /// Whether a webhook message is made for each recording.
  package var announces: Bool
  /// After this long without a new byte a download gives its conversion slot back.
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
