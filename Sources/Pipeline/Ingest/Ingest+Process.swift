import Audio
import CXone
import Catalog
import CoreMetrics
import Foundation
import Logging
import Model
import ObjectStorage
import SystemPackage

/// The result of a conversion: an MP3 in the spool folder, and peaks.
struct ConvertedFile: Sendable {
  var mp3: FilePath
  var conversion: Conversion
  var step: StepTime
}

/// A part of a recording that passed the integrity check.
struct CheckedPart: Sendable {
  var file: SpoolFile
  var passed: IntegrityCheck.Passed
  var converted: ConvertedFile
  var steps: [StepTime]
  var isFromArchive: Bool
  /// The note about a file that was refused and then accepted by a user.
  var acceptance: String?
}

extension Ingest {
  // MARK: Conversion and integrity check

  /// Checks the whole file, converts it unless that was done during the download, and checks the result.
  ///
  /// A file that a user accepted is only converted, as far as FFmpeg can read it.
  ///
  /// - Throws: `incompleteRecording` with the reason, `conversionFailed`, `unsupportedAudio`, `conversionTimedOut`,
  ///   `ffmpegMissing`.
  func convertAndCheck(
    _ whole: FetchedPart, job: JobRow, lease: JobLease
  ) async throws(TapedeckError) -> CheckedPart {
    let startedAt = system.now()
    let start = ContinuousClock.now
    let firstBytes = try await headerBytes(of: whole.file)
    let container = MediaSignature(firstBytes).container
    var header: WAVHeader?
    if case .header(let read) = WAVHeader.read(firstBytes) { header = read }
    if header != nil || (container != nil && container != .wav),
      let row = try await catalog.acceptance(of: job.key, try await whole.file.sha256())
    {
      return try await convertAccepted(whole, header: header, row, lease: lease)
    }
    // An archived original has passed the check: a duration that the platform reported later does not count.
    let platformDuration = whole.isFromArchive ? nil : try await platformDuration(of: job)
    var check = IntegrityCheck(
      firstBytes: firstBytes[...], fileLength: whole.file.length, declaredLength: whole.declaredLength,
      isSecondFetch: job.refusals > 0 || whole.isFromArchive, platformDuration: platformDuration)
    if let header {
      try transcoder.limits.check(header, fileLength: whole.file.length, platformDuration: platformDuration)
      if !whole.isFromArchive { check.unexplainedBytes = try await unexplainedBytes(in: whole.file, header) }
    } else if let container, container != .wav {
      let file = whole.file
      check.structure = try await ContainerStructure.read(container, fileLength: file.length) {
        range throws(TapedeckError) in try await file.bytes(in: range)
      }
    }
    _ = try check.result().get()
    let checked = ContinuousClock.now - start
    let converted: ConvertedFile
    if let followed = whole.conversion {
      converted = followed
    } else {
      converted = try await convertInTurn(whole.file, lease: lease, platformDuration: platformDuration)
    }
    check.decodedDuration = converted.conversion.duration
    let passed = try check.result().get()
    let verification = StepTime(step: .verification, startedAt: startedAt, duration: checked)
    IngestMetrics.record(verification)
    return CheckedPart(
      file: whole.file, passed: passed, converted: converted, steps: whole.steps + [converted.step, verification],
      isFromArchive: whole.isFromArchive)
  }

  /// Converts a file that a user accepted.
  ///
  /// - Throws: `unsupportedAudio` when FFmpeg cannot convert it either; downloading it again would change nothing.
  private func convertAccepted(
    _ whole: FetchedPart, header: WAVHeader?, _ row: QuarantineRow, lease: JobLease
  ) async throws(TapedeckError) -> CheckedPart {
    let converted: ConvertedFile
    do throws(TapedeckError) {
      converted = try await convertInTurn(whole.file, lease: lease, isAccepted: true)
    } catch {
      guard error.code == .conversionFailed else { throw error }
      throw TapedeckError(
        .unsupportedAudio, "The file was accepted, but FFmpeg cannot convert it.", detail: error.detail, cause: error)
    }
    let note = "The file was refused and then accepted by a user: \(row.reason)"
    return CheckedPart(
      file: whole.file,
      passed: IntegrityCheck.Passed(header: header, duration: converted.conversion.duration, warnings: []),
      converted: converted, steps: whole.steps + [converted.step], isFromArchive: whole.isFromArchive, acceptance: note)
  }

  /// The duration that the audio must have; nil where the platform's duration does not say it.
  func platformDuration(of job: JobRow) async throws(TapedeckError) -> Duration? {
    if let source = sources[job.key.source], source.policy.duration != .exact { return nil }
    return try await catalog.recording(job.key)?.facts.durationSeconds.map { .seconds($0) }
  }

  private func unexplainedBytes(in file: SpoolFile, _ header: WAVHeader) async throws(TapedeckError) -> Int64? {
    guard header.dataLength != nil || header.hasDataLengthZero else { return nil }
    return try await WAVChunks.unexplained(
      after: header.dataOffset + (header.dataLength ?? 0), fileLength: file.length, isBigEndian: header.isBigEndian,
      isEmpty: header.dataLength == nil
    ) { range throws(TapedeckError) in try await file.bytes(in: range) }
  }

  /// Brings the MP3s of all parts into the same sample rate and number of channels, so that their frames can follow each
  /// other in one file: converts those again that differ.
  ///
  /// - Throws: `conversionFailed`, `conversionTimedOut`, `ffmpegMissing`.
  func inOneFormat(_ parts: [CheckedPart], lease: JobLease) async throws(TapedeckError) -> [CheckedPart] {
    guard let format = MP3Format(covering: parts.map(\.converted.conversion.format)) else { return parts }
    var alike: [CheckedPart] = []
    for var part in parts {
      if part.converted.conversion.format != format {
        part.converted = try await convertInTurn(
          part.file, lease: lease, isAccepted: part.acceptance != nil, as: format)
        part.steps.append(part.converted.step)
      }
      alike.append(part)
    }
    return alike
  }

  /// Converts a complete file as soon as a conversion slot is free.
  private func convertInTurn(
    _ file: SpoolFile, lease: JobLease, platformDuration: Duration? = nil, isAccepted: Bool = false,
    as format: MP3Format? = nil
  ) async throws(TapedeckError) -> ConvertedFile {
    try await conversions.withPermit { () async throws(TapedeckError) in
      try await convert(
        file, lease: lease, isGrowing: false, platformDuration: platformDuration, isAccepted: isAccepted, as: format)
    }
  }

  /// Converts a spool file from its first byte, waiting for bytes that are not there yet. The caller holds a slot.
  ///
  /// Only WAV can be converted while it grows: other containers may have their index at the end.
  func convert(
    _ file: SpoolFile, lease: JobLease, isGrowing: Bool, platformDuration: Duration? = nil, isAccepted: Bool = false,
    as format: MP3Format? = nil
  ) async throws(TapedeckError) -> ConvertedFile {
    // Comes first: a file that is cut while its header is read must not be converted with the old header.
    let bytes = file.follow()
    let firstBytes = try await headerBytes(of: file)
    let longest = ConversionLimits.longest(platformDuration)
    let mp3 = spool.file(of: lease, part: file.part, "mp3")
    let startedAt = system.now()
    let start = ContinuousClock.now
    let conversion: Conversion
    switch (WAVHeader.read(firstBytes), MediaSignature(firstBytes).container) {
    case (.header(var header), _):
      if isGrowing, let announced = header.dataLength, !WAVHeader.isPlaceholder(announced) {
        try transcoder.limits.check(
          header, fileLength: header.dataOffset + announced, platformDuration: platformDuration)
      }
      // FFmpeg then does not stop at the first error.
      if isAccepted { header.dataLength = nil }
      conversion = try await transcoder.convert(bytes, header: header, to: mp3, as: format, longest: longest)
    case (_, let container?) where container != .wav && !isGrowing:
      conversion = try await transcoder.convert(
        file: file.path, container: container, to: mp3, as: format, longest: longest, acceptsDamage: isAccepted)
    default: throw TapedeckError(.incompleteRecording)
    }
    let step = StepTime(step: .conversion, startedAt: startedAt, duration: .now - start)
    IngestMetrics.record(step)
    return ConvertedFile(mp3: mp3, conversion: conversion, step: step)
  }

  /// The first bytes, as many as are needed to read the header or to see that there is none.
  func headerBytes(of file: SpoolFile) async throws(TapedeckError) -> [UInt8] {
    var bytes = try await file.prefix(4096)
    // The container follows the tag.
    let tag = MediaSignature.id3Length(bytes)
    if tag > 0 { bytes = try await file.prefix(min(tag, WAVHeader.maximumLength) + 512) }
    while case .needsMore(let count) = WAVHeader.read(bytes), count > bytes.count {
      let more = try await file.prefix(WAVHeader.nextLength(after: bytes.count, needing: count))
      guard more.count > bytes.count else { break }
      bytes = more
    }
    return bytes
  }
}
