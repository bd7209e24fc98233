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

/// The result of a conversion: an MP3 in the spool folder, and peaks.
struct ConvertedFile: Sendable {
  var mp3: FilePath
  var conversion: Conversion
  var step: StepTime
}

/// A recording that passed the integrity check.
struct CheckedRecording: Sendable {
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
    _ whole: FetchedRecording, job: JobRow, lease: JobLease
  ) async throws(TapedeckError) -> CheckedRecording {
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
    return CheckedRecording(
      file: whole.file, passed: passed, converted: converted, steps: whole.steps + [converted.step, verification],
      isFromArchive: whole.isFromArchive)
  }

  /// Converts a file that a user accepted.
  ///
  /// - Throws: `unsupportedAudio` when FFmpeg cannot convert it either; downloading it again would change nothing.
  private func convertAccepted(
    _ whole: FetchedRecording, header: WAVHeader?, _ row: QuarantineRow, lease: JobLease
  ) async throws(TapedeckError) -> CheckedRecording {
    let converted: ConvertedFile
    do throws(TapedeckError) {
      converted = try await convertInTurn(whole.file, lease: lease, isAccepted: true)
    } catch {
      guard error.code == .conversionFailed else { throw error }
      throw TapedeckError(
        .unsupportedAudio, "The file was accepted, but FFmpeg cannot convert it.", detail: error.detail, cause: error)
    }
    let note = "The file was refused and then accepted by a user: \(row.reason)"
    return CheckedRecording(
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

  /// Converts a complete file as soon as a conversion slot is free.
  private func convertInTurn(
    _ file: SpoolFile, lease: JobLease, platformDuration: Duration? = nil, isAccepted: Bool = false
  ) async throws(TapedeckError) -> ConvertedFile {
    try await conversions.withPermit { () async throws(TapedeckError) in
      try await convert(
        file, lease: lease, isGrowing: false, platformDuration: platformDuration, isAccepted: isAccepted)
    }
  }

  /// Converts a spool file from its first byte, waiting for bytes that are not there yet. The caller holds a slot.
  ///
  /// Only WAV can be converted while it grows: other containers may have their index at the end.
  func convert(
    _ file: SpoolFile, lease: JobLease, isGrowing: Bool, platformDuration: Duration? = nil, isAccepted: Bool = false
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
      conversion = try await transcoder.convert(bytes, header: header, to: mp3, longest: longest)
    case (_, let container?) where container != .wav && !isGrowing:
      conversion = try await transcoder.convert(
        file: file.path, container: container, to: mp3, longest: longest, acceptsDamage: isAccepted)
    default: throw TapedeckError(.incompleteRecording)
    }
    let step = StepTime(step: .conversion, startedAt: startedAt, duration: .now - start)
    IngestMetrics.record(step)
    return ConvertedFile(mp3: mp3, conversion: conversion, step: step)
  }

  /// The first bytes, as many as are needed to read the header or to see that there is none.
  private func headerBytes(of file: SpoolFile) async throws(TapedeckError) -> [UInt8] {
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

  // MARK: Archive

  /// Moves a checked recording into the object store and commits it. Reads its privacy from the platform again first,
  /// unless the bytes came from the archive.
  ///
  /// - Returns: nil when the recording is archived; how to release the job when the platform cannot be asked now.
  func archive(_ checked: CheckedRecording, job: JobRow, lease: JobLease) async throws(TapedeckError) -> JobRelease? {
    let archived = try await catalog.archived(job.key)
    let before = archived.flatMap { known in known.parts.first.map { (recording: known.recording, part: $0) } }
    var remarks =
      checked.passed.warnings.map(sentence) + checked.converted.conversion.warnings
      + (checked.acceptance.map { [$0] } ?? [])
    let facts: PlatformRecording
    if checked.isFromArchive, let before {
      facts = before.recording.facts
    } else {
      switch try await checkPrivacy(of: job, source: try source(of: job)) {
      case .reported(let reported): facts = reported
      case .withdrawn(let known):
        facts = known
        remarks.append("The platform no longer reports its privacy, so only supervisors can open it.")
      case .later(let release): return release
      }
    }
    let storage = try await timed(.storage) { () async throws(TapedeckError) in
      try await store(checked, replacing: before?.part, lease: lease)
    }
    let part = storage.value
    let isSame = before?.part.sourceHash == part.sourceHash
    let start = ContinuousClock.now
    let now = system.now()
    let known = try await catalog.recording(job.key)
    var announced = facts
    // As the catalog stores it: the platform's value makes it stricter, never less strict.
    announced.privacy = max(facts.privacy, known?.facts.privacy ?? .standard)
    var details = ["sha256": part.sourceHash.rawValue, "mp3_sha256": part.mp3.hash.rawValue]
    if let before, !isSame { details["previous_sha256"] = before.part.sourceHash.rawValue }
    // A repair that changed nothing that was announced is not announced again.
    let changed = before?.part.mp3 != part.mp3 || !isSame
    try await catalog.archive(
      Archive(
        key: job.key, facts: facts, parts: [part], at: now, archivedAt: isSame ? known?.archivedAt : nil,
        availableAt: known?.availableAt, warning: warning(about: part, replacing: before, found: remarks),
        steps: checked.steps + [storage.step],
        entry: LogEntry(
          at: now, action: before == nil ? .archive : .repair, outcome: .allowed, actor: nil, recording: job.key,
          count: part.sourceBytes, details: details),
        message: settings.announces && changed ? archivedEvent(of: part, facts: announced, key: job.key, at: now) : nil),
      lease: lease)
    let commit = StepTime(step: .commit, startedAt: now, duration: .now - start)
    IngestMetrics.record(commit)
    if before == nil {
      if let availableAt = known?.availableAt {
        IngestMetrics.readyDelay.record((system.now() - availableAt).inSeconds)
      }
      IngestMetrics.archivedBytes.increment(by: part.sourceBytes)
    }
    // Not needed for correctness: after a crash before them, the next start cleans up.
    try? await catalog.recordStep(commit, of: job.id)
    // A heartbeat that finds the job done cancels this task; its files must still be removed.
    let spool = spool
    await Task { try? await spool.clear(lease) }.value
    logger.info(
      before == nil ? "recording archived" : "recording repaired",
      metadata: [
        "recording": "\(job.key)", "bytes": "\(part.sourceBytes)", "sha256": "\(part.sourceHash)",
      ])
    return nil
  }

  private func store(
    _ checked: CheckedRecording, replacing before: MediaPart?, lease: JobLease
  ) async throws(TapedeckError) -> MediaPart {
    let peaksPath = spool.file(of: lease, part: checked.file.part, "peaks")
    let peaksBytes = checked.converted.conversion.peaks.encode()
    try await spool.write(peaksBytes, to: peaksPath)
    let mp3 = try await spool.measure(checked.converted.mp3)
    let peaks = ObjectContent(hash: ContentHash(digest: SHA256.hash(data: peaksBytes)), bytes: Int64(peaksBytes.count))
    let original = ObjectContent(hash: try await checked.file.sha256(), bytes: checked.file.length)

    let keptMP3 = try await kept(before?.mp3, of: before, source: original.hash)
    let keptPeaks = try await kept(before?.peaks, of: before, source: original.hash)
    // An original that was kept is not dropped by a repair, whatever the setting is now.
    let keepsOriginal = settings.keepsOriginals || before?.original != nil

    var pending: [PendingObject] = []
    let kind = try await originalKind(of: checked.file)
    if keepsOriginal { pending.append(PendingObject(file: checked.file.path, kind: kind, content: original)) }
    if keptMP3 == nil { pending.append(PendingObject(file: checked.converted.mp3, kind: .mp3, content: mp3)) }
    if keptPeaks == nil { pending.append(PendingObject(file: peaksPath, kind: .peaks, content: peaks)) }
    var names = try await store(pending)[...]
    let originalName = keepsOriginal ? names.popFirst() : nil
    let mp3Name = keptMP3 == nil ? names.popFirst() : nil
    let peaksName = keptPeaks == nil ? names.popFirst() : nil

    let header = checked.passed.header
    let conversion = checked.converted.conversion
    guard let mp3File = keptMP3 ?? mp3Name.map({ .init(name: $0, hash: mp3.hash, bytes: mp3.bytes) }),
      let peaksFile = keptPeaks ?? peaksName.map({ .init(name: $0, hash: peaks.hash, bytes: peaks.bytes) })
    else { throw TapedeckError(.internalError, detail: "a stored object has no name") }
    return MediaPart(
      part: 0, sourceHash: original.hash, sourceBytes: original.bytes, original: originalName,
      codec: header?.codecName ?? conversion.codec, channels: header?.channels ?? conversion.sourceChannels,
      sampleRate: header?.sampleRate ?? conversion.sourceRate, duration: conversion.duration,
      mp3: mp3File, peaks: peaksFile)
  }

  private func originalKind(of file: SpoolFile) async throws(TapedeckError) -> ObjectName.Kind {
    MediaSignature(try await headerBytes(of: file)).container.flatMap { ObjectName.Kind(rawValue: $0.rawValue) } ?? .wav
  }

  private struct PendingObject: Sendable {
    var file: FilePath
    var kind: ObjectName.Kind
    var content: ObjectContent
  }

  /// Stores files concurrently, under names that the catalog gives, which are returned in the same order.
  private func store(_ pending: [PendingObject]) async throws(TapedeckError) -> [ObjectName] {
    // Before the files are written: reconciliation takes an object without a row for an orphan.
    let names = try await catalog.reserve(pending.map { ($0.kind, $0.content) })
    do {
      try await withThrowingTaskGroup(of: Void.self) { group in
        for (object, name) in zip(pending, names) {
          group.addTask { try await store.store(object.file, as: name, content: object.content) }
        }
        try await group.waitForAll()
      }
    } catch { throw error as? TapedeckError ?? TapedeckError(.storageFailed, cause: error) }
    return names
  }

  private func archivedEvent(
    of part: MediaPart, facts: PlatformRecording, key: RecordingKey, at now: Instant
  ) -> (id: String, body: String) {
    let path = store.location(of: part.mp3.name)
    return (makeOpaqueID("msg"), ArchivedEvent(part: part, facts: facts, key: key, filePath: path, at: now).json)
  }

  private func timed<T>(
    _ step: Step, _ body: () async throws(TapedeckError) -> T
  ) async throws(TapedeckError) -> (value: T, step: StepTime) {
    let startedAt = system.now()
    let start = ContinuousClock.now
    let value = try await body()
    let time = StepTime(step: step, startedAt: startedAt, duration: .now - start)
    IngestMetrics.record(time)
    return (value, time)
  }

  private func sentence(_ warning: IntegrityCheck.Warning) -> String {
    switch warning {
    case .longerThanPlatform(let excess): "It is \(Int(excess.inSeconds.rounded())) s longer than the platform reports."
    case .lengthUnknown: "Its header does not say how long it is."
    case .unexplainedBytes(let bytes):
      "\(grouped(bytes)) bytes follow its audio that belong to no part of the file; they are not played."
    case .containerTooShort(let bytes): "\(grouped(bytes)) bytes follow its container's end."
    case .unevenEnd: "Its audio ends inside a sample."
    }
  }
}
