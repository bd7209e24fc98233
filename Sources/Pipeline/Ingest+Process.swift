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
}

extension Ingest {
  // MARK: Conversion and gate

  /// Looks at the whole file, converts it where that has not happened yet, and compares what came out.
  ///
  /// - Throws: `notAWholeRecording` with the reason, `conversionFailed`, `conversionTimedOut`, `ffmpegMissing`.
  func convertAndCheck(
    _ whole: Spooled, job: JobRow, lease: JobLease, source: any RecordingSource
  ) async throws(TapedeckError) -> CheckedRecording {
    let startedAt = surroundings.now()
    let start = ContinuousClock.now
    let platformDuration = try await catalog.recording(job.key)?.facts.durationSeconds
    var check = WholenessCheck(
      firstBytes: try await headerBytes(of: whole.file)[...], fileLength: whole.file.length,
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
      file: whole.file, passed: passed, converted: converted, steps: whole.steps + [converted.step, verification])
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

  /// Moves a checked recording into the object store and commits it; asks the platform once more who may hear it.
  func archive(
    _ checked: CheckedRecording, job: JobRow, lease: JobLease, source: any RecordingSource
  ) async throws(TapedeckError) {
    let facts = try await source.recording(job.key.id)
    let storage = try await timed(.storage) { () async throws(TapedeckError) in
      try await store(checked, lease: lease)
    }
    let start = ContinuousClock.now
    let now = surroundings.now()
    let known = try await catalog.recording(job.key)
    var announced = facts
    // As the catalog holds it: the platform's word makes it stricter and never laxer.
    announced.privacy = max(facts.privacy, known?.facts.privacy ?? .standard)
    let warnings = checked.passed.warnings.map(sentence)
    try await catalog.archive(
      Archive(
        key: job.key, facts: facts, parts: [storage.value], at: now, availableAt: known?.availableAt,
        warning: warnings.isEmpty ? nil : warnings.joined(separator: " "), steps: checked.steps + [storage.step],
        entry: LogEntry(
          at: now, action: .archive, outcome: .allowed, actor: nil, recording: job.key,
          count: storage.value.sourceBytes,
          details: ["sha256": storage.value.sourceSHA256, "mp3_sha256": storage.value.mp3.sha256]),
        message: settings.announces ? announcement(of: storage.value, facts: announced, key: job.key, at: now) : nil),
      lease: lease)
    let commit = StepTime(step: .commit, startedAt: now, duration: .now - start)
    IngestMetrics.record(commit)
    if let availableAt = known?.availableAt {
      IngestMetrics.readyDelay.record((surroundings.now() - availableAt).inSeconds)
    }
    IngestMetrics.archivedBytes.increment(by: storage.value.sourceBytes)
    // Nothing hangs on these two any more; a crash before them leaves what the next start removes.
    try? await catalog.recordStep(commit, of: job.id)
    try? await spool.clear(lease)
    logger.info(
      "recording archived",
      metadata: [
        "recording": "\(job.key)", "bytes": "\(storage.value.sourceBytes)", "sha256": "\(storage.value.sourceSHA256)",
      ])
  }

  private func store(_ checked: CheckedRecording, lease: JobLease) async throws(TapedeckError) -> MediaPart {
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

    async let storedMP3: Void = store.store(checked.converted.mp3, as: mp3Key, bytes: mp3.bytes)
    async let storedPeaks: Void = store.store(peaksFile, as: peaksKey, bytes: peaks.bytes)
    if settings.keepsOriginals { try await store.store(checked.file.path, as: originalKey, bytes: original.bytes) }
    do {
      _ = try await (storedMP3, storedPeaks)
    } catch { throw error as? TapedeckError ?? TapedeckError(.storageFailed, cause: error) }

    let header = checked.passed.header
    return MediaPart(
      part: 0, sourceSHA256: original.sha256, sourceBytes: original.bytes,
      originalKey: settings.keepsOriginals ? originalKey.description : nil, codec: header.codecName,
      channels: header.channels, sampleRate: header.sampleRate, duration: checked.converted.conversion.duration,
      mp3: .init(key: mp3Key.description, sha256: mp3.sha256, bytes: mp3.bytes),
      peaks: .init(key: peaksKey.description, sha256: peaks.sha256, bytes: peaks.bytes))
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
    case .containerTooLong(let bytes): "Its container announces \(bytes) bytes more than there are."
    case .unevenEnd: "Its audio does not end where a sample ends."
    }
  }
}
