import Audio
import CXone
import Catalog
import CoreMetrics
import Crypto
import Foundation
import Logging
import Model
import ObjectStorage
import SystemPackage

/// What FFmpeg made of a recording: an MP3 in the spool folder, and peaks.
struct ConvertedFile: Sendable {
  var mp3: FilePath
  var conversion: Conversion
  var step: StepTime
}

/// A recording that passed the gate.
struct CheckedRecording: Sendable {
  var file: SpoolFile
  var passed: WholenessCheck.Passed
  var converted: ConvertedFile
  var steps: [StepTime]
  var isRestored: Bool
}

extension Ingest {
  // MARK: Conversion and gate

  /// Looks at the whole file, converts it where that has not happened yet, and compares what came out.
  ///
  /// - Throws: `notAWholeRecording` with the reason, `conversionFailed`, `conversionTimedOut`, `ffmpegMissing`.
  func convertAndCheck(
    _ whole: Spooled, job: JobRow, lease: JobLease
  ) async throws(TapedeckError) -> CheckedRecording {
    let startedAt = surroundings.now()
    let start = ContinuousClock.now
    // What is in the archive has passed: what the platform has said of its length since then proves nothing against it.
    let platformDuration = whole.isRestored ? nil : try await catalog.recording(job.key)?.facts.durationSeconds
    var check = WholenessCheck(
      firstBytes: try await headerBytes(of: whole.file)[...], fileLength: whole.file.length,
      declaredLength: whole.declaredLength, isSecondFetch: job.refusals > 0 || whole.isRestored,
      platformDuration: platformDuration.map { .seconds($0) })
    _ = try check.result().get()
    let checked = ContinuousClock.now - start
    let converted: ConvertedFile
    if let followed = whole.conversion {
      converted = followed
    } else {
      converted = try await convertInTurn(whole.file, lease: lease)
    }
    check.decodedDuration = converted.conversion.duration
    let passed = try check.result().get()
    let verification = StepTime(step: .verification, startedAt: startedAt, duration: checked)
    IngestMetrics.record(verification)
    return CheckedRecording(
      file: whole.file, passed: passed, converted: converted, steps: whole.steps + [converted.step, verification],
      isRestored: whole.isRestored)
  }

  /// Converts a file that is all here when a slot is free.
  private func convertInTurn(_ file: SpoolFile, lease: JobLease) async throws(TapedeckError) -> ConvertedFile {
    do { try await conversions.take() } catch { throw TapedeckError(.interrupted) }
    do throws(TapedeckError) {
      let converted = try await convert(file, lease: lease, isGrowing: false)
      await conversions.give()
      return converted
    } catch {
      await conversions.give()
      throw error
    }
  }

  /// Runs FFmpeg over a spool file from its first byte, waiting for bytes that are still to come. A slot is held.
  func convert(
    _ file: SpoolFile, lease: JobLease, isGrowing: Bool
  ) async throws(TapedeckError) -> ConvertedFile {
    // First of all: a file that is cut while its header is read must not be converted by the header of the old one.
    let bytes = file.follow()
    guard case .header(let header) = WAVHeader.read(try await headerBytes(of: file)) else {
      throw TapedeckError(.notAWholeRecording)
    }
    let mp3 = spool.file(of: lease, "mp3")
    let startedAt = surroundings.now()
    let start = ContinuousClock.now
    let conversion: Conversion
    if isGrowing {
      conversion = try await ffmpeg.convert(bytes, header: header, to: mp3)
    } else {
      conversion = try await ffmpeg.convert(file: file.path, header: header, to: mp3)
    }
    let step = StepTime(step: .conversion, startedAt: startedAt, duration: .now - start)
    IngestMetrics.record(step)
    return ConvertedFile(mp3: mp3, conversion: conversion, step: step)
  }

  /// As many of the first bytes as it takes to read the header, or to see that there is none.
  private func headerBytes(of file: SpoolFile) async throws(TapedeckError) -> [UInt8] {
    var bytes = try await file.prefix(4096)
    while case .needsMore(let count) = WAVHeader.read(bytes), count > bytes.count {
      let more = try await file.prefix(count)
      guard more.count > bytes.count else { break }
      bytes = more
    }
    return bytes
  }

  // MARK: Archive

  /// Moves a checked recording into the object store and commits it; asks the platform once more who may hear it,
  /// unless the bytes came from the archive.
  ///
  /// - Returns: how to let the job go where the platform cannot be asked now; nil when the recording is in the archive.
  func archive(_ checked: CheckedRecording, job: JobRow, lease: JobLease) async throws(TapedeckError) -> JobRelease? {
    let archived = try await catalog.archived(job.key)
    let before = archived.flatMap { known in known.parts.first.map { (recording: known.recording, part: $0) } }
    var remarks = checked.passed.warnings.map(sentence)
    let facts: PlatformRecording
    if checked.isRestored, let before {
      facts = before.recording.facts
    } else {
      switch try await lastWord(on: job, source: try source(of: job)) {
      case .told(let told): facts = told
      case .withdrawn(let known):
        facts = known
        remarks.append("The platform did not tell any more who may hear it, so it is for supervisors alone.")
      case .later(let release): return release
      }
    }
    let storage = try await timed(.storage) { () async throws(TapedeckError) in
      try await store(checked, replacing: before?.part, lease: lease)
    }
    let part = storage.value
    let isSame = before?.part.sourceSHA256 == part.sourceSHA256
    let start = ContinuousClock.now
    let now = surroundings.now()
    let known = try await catalog.recording(job.key)
    var announced = facts
    // As the catalog holds it: the platform's word makes it stricter and never laxer.
    announced.privacy = max(facts.privacy, known?.facts.privacy ?? .standard)
    var details = ["sha256": part.sourceSHA256, "mp3_sha256": part.mp3.sha256]
    if let before, !isSame { details["previous_sha256"] = before.part.sourceSHA256 }
    // A repair that changed nothing of what a receiver was told is not told again.
    let isNews = before?.part.mp3 != part.mp3 || !isSame
    try await catalog.archive(
      Archive(
        key: job.key, facts: facts, parts: [part], at: now, archivedAt: isSame ? known?.archivedAt : nil,
        availableAt: known?.availableAt, warning: warning(about: part, replacing: before, found: remarks),
        steps: checked.steps + [storage.step],
        entry: LogEntry(
          at: now, action: before == nil ? .archive : .repair, outcome: .allowed, actor: nil, recording: job.key,
          count: part.sourceBytes, details: details),
        message: settings.announces && isNews ? announcement(of: part, facts: announced, key: job.key, at: now) : nil),
      lease: lease)
    let commit = StepTime(step: .commit, startedAt: now, duration: .now - start)
    IngestMetrics.record(commit)
    if before == nil {
      if let availableAt = known?.availableAt {
        IngestMetrics.readyDelay.record((surroundings.now() - availableAt).inSeconds)
      }
      IngestMetrics.archivedBytes.increment(by: part.sourceBytes)
    }
    // Nothing hangs on these two any more; a crash before them leaves what the next start removes.
    try? await catalog.recordStep(commit, of: job.id)
    try? await spool.clear(lease)
    logger.info(
      before == nil ? "recording archived" : "recording repaired",
      metadata: [
        "recording": "\(job.key)", "bytes": "\(part.sourceBytes)", "sha256": "\(part.sourceSHA256)",
      ])
    return nil
  }

  private func store(
    _ checked: CheckedRecording, replacing before: MediaPart?, lease: JobLease
  ) async throws(TapedeckError) -> MediaPart {
    let peaksFile = spool.file(of: lease, "peaks")
    let peaksBytes = checked.converted.conversion.peaks.encode()
    try await spool.write(peaksBytes, to: peaksFile)
    let mp3 = try await spool.measure(checked.converted.mp3)
    let peaks = (sha256: hex(SHA256.hash(data: peaksBytes)), bytes: Int64(peaksBytes.count))
    let original = (sha256: try await checked.file.sha256(), bytes: checked.file.length)
    guard let originalKey = ObjectKey(sha256: original.sha256, kind: .wav),
      let mp3Key = ObjectKey(sha256: mp3.sha256, kind: .mp3),
      let peaksKey = ObjectKey(sha256: peaks.sha256, kind: .peaks)
    else { throw TapedeckError(.internalError, detail: "a hash has the wrong form") }

    let keptMP3 = try await kept(before?.mp3, of: before, source: original.sha256)
    let keptPeaks = try await kept(before?.peaks, of: before, source: original.sha256)
    // One that was kept is not dropped by a repair, whatever the setting is now.
    let keepsOriginal = settings.keepsOriginals || before?.originalKey != nil

    async let storedMP3: Void = store(checked.converted.mp3, as: mp3Key, bytes: mp3.bytes, unless: keptMP3)
    async let storedPeaks: Void = store(peaksFile, as: peaksKey, bytes: peaks.bytes, unless: keptPeaks)
    if keepsOriginal { try await store.store(checked.file.path, as: originalKey, bytes: original.bytes) }
    do {
      _ = try await (storedMP3, storedPeaks)
    } catch { throw error as? TapedeckError ?? TapedeckError(.storageFailed, cause: error) }

    let header = checked.passed.header
    return MediaPart(
      part: 0, sourceSHA256: original.sha256, sourceBytes: original.bytes,
      originalKey: keepsOriginal ? originalKey.description : nil, codec: header.codecName,
      channels: header.channels, sampleRate: header.sampleRate, duration: checked.converted.conversion.duration,
      mp3: keptMP3 ?? .init(key: mp3Key.description, sha256: mp3.sha256, bytes: mp3.bytes),
      peaks: keptPeaks ?? .init(key: peaksKey.description, sha256: peaks.sha256, bytes: peaks.bytes))
  }

  private func store(
    _ file: FilePath, as key: ObjectKey, bytes: Int64, unless kept: MediaPart.File?
  ) async throws(TapedeckError) {
    if kept == nil { try await store.store(file, as: key, bytes: bytes) }
  }

  private func announcement(
    of part: MediaPart, facts: PlatformRecording, key: RecordingKey, at now: Instant
  ) -> (id: String, body: String)? {
    guard let mp3 = ObjectKey(part.mp3.key) else { return nil }
    let announcement = Announcement(part: part, facts: facts, key: key, filePath: store.location(of: mp3), at: now)
    return (makeOpaqueID("msg"), announcement.json)
  }

  private func timed<T>(
    _ step: Step, _ body: () async throws(TapedeckError) -> T
  ) async throws(TapedeckError) -> (value: T, step: StepTime) {
    let startedAt = surroundings.now()
    let start = ContinuousClock.now
    let value = try await body()
    let time = StepTime(step: step, startedAt: startedAt, duration: .now - start)
    IngestMetrics.record(time)
    return (value, time)
  }

  private func sentence(_ warning: WholenessCheck.Warning) -> String {
    switch warning {
    case .longerThanPlatform(let excess): "It is \(Int(excess.inSeconds.rounded())) s longer than the platform says."
    case .lengthUnknown: "Its header does not say how long it is."
    case .containerTooShort(let bytes): "\(bytes) bytes follow its container's end."
    case .unevenEnd: "Its audio does not end where a sample ends."
    }
  }
}
