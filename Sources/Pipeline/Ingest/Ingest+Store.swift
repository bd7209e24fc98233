import Audio
import Catalog
import Crypto
import Model
import ObjectStorage
import SystemPackage

extension Ingest {
  /// Moves the files of all parts into the object store, and for several parts also those of the whole audio.
  func store(
    _ checked: [CheckedPart], of media: PlannedMedia,
    replacing before: (recording: RecordingRow, parts: [MediaPart])?, lease: JobLease
  ) async throws(TapedeckError) -> (parts: [MediaPart], joined: JoinedMedia?) {
    // First, because storing moves the files of the parts out of the spool.
    let joined = try await checked.count > 1 ? join(checked, lease: lease) : nil
    var parts: [MediaPart] = []
    for part in checked {
      let number = part.file.part
      var stored = try await store(part, replacing: before?.parts.first { $0.part == number }, lease: lease)
      if let facts = media.parts.first(where: { $0.part == number }) { stored.facts = facts }
      parts.append(stored)
    }
    guard let joined else { return (parts, nil) }
    let isSame = before?.parts.map(\.sourceHash) == parts.map(\.sourceHash)
    let keptMP3 = try await kept(before?.recording.joined?.mp3, ifSame: isSame)
    // Peaks, offsets and MP3 belong together.
    let keptPeaks = try await keptMP3 == nil ? nil : kept(before?.recording.joined?.peaks, ifSame: isSame)
    let offsets = keptMP3 == nil ? joined.offsets : before?.parts.map(\.offset) ?? joined.offsets
    for place in parts.indices { parts[place].offset = offsets[place] }
    if let keptMP3, let keptPeaks { return (parts, JoinedMedia(mp3: keptMP3, peaks: keptPeaks)) }
    let peaks = try await write(
      checked.map(\.converted.conversion.peaks), at: offsets, to: spool.wholeFile(of: lease, "peaks"))
    let files = try await store([joined.mp3, peaks])
    return (parts, JoinedMedia(mp3: keptMP3 ?? files[0], peaks: files[1]))
  }

  /// Joins the MP3s of all parts.
  private func join(
    _ checked: [CheckedPart], lease: JobLease
  ) async throws(TapedeckError) -> (mp3: PendingObject, offsets: [Duration]) {
    let path = spool.wholeFile(of: lease, "mp3")
    let offsets = try await spool.join(checked.map(\.converted.mp3), to: path).offsets
    return (PendingObject(file: path, kind: .mp3, content: try await spool.measure(path)), offsets)
  }

  /// Writes the peaks of parts as one waveform; for a single part as they are.
  private func write(
    _ parts: [Peaks], at offsets: [Duration], to path: FilePath
  ) async throws(TapedeckError) -> PendingObject {
    guard let peaks = Peaks.joined(Array(zip(parts, offsets))) else {
      throw TapedeckError(.internalError, detail: "the waveforms of the parts have different formats")
    }
    let bytes = peaks.encode()
    try await spool.write(bytes, to: path)
    let content = ObjectContent(hash: ContentHash(digest: SHA256.hash(data: bytes)), bytes: Int64(bytes.count))
    return PendingObject(file: path, kind: .peaks, content: content)
  }

  private func store(
    _ checked: CheckedPart, replacing before: MediaPart?, lease: JobLease
  ) async throws(TapedeckError) -> MediaPart {
    let conversion = checked.converted.conversion
    let number = checked.file.part
    let peaks = try await write([conversion.peaks], at: [.zero], to: spool.file(of: lease, part: number, "peaks"))
    let mp3 = PendingObject(
      file: checked.converted.mp3, kind: .mp3, content: try await spool.measure(checked.converted.mp3))
    let original = PendingObject(
      file: checked.file.path, kind: try await originalKind(of: checked.file),
      content: ObjectContent(hash: try await checked.file.sha256(), bytes: checked.file.length))

    let isSame = before?.sourceHash == original.content.hash
    let keptMP3 = try await kept(before?.mp3, ifSame: isSame)
    let keptPeaks = try await kept(before?.peaks, ifSame: isSame)
    // An original that was kept is not dropped by a repair, whatever the setting is now.
    let keepsOriginal = settings.keepsOriginals || before?.original != nil

    let pending =
      (keepsOriginal ? [original] : []) + (keptMP3 == nil ? [mp3] : []) + (keptPeaks == nil ? [peaks] : [])
    var files = try await store(pending)[...]
    let originalFile = keepsOriginal ? files.popFirst() : nil
    guard let mp3File = keptMP3 ?? files.popFirst(), let peaksFile = keptPeaks ?? files.popFirst() else {
      throw TapedeckError(.internalError, detail: "a stored object has no name")
    }
    let header = checked.passed.header
    return MediaPart(
      part: number, sourceHash: original.content.hash, sourceBytes: original.content.bytes,
      original: originalFile?.name, codec: header?.codecName ?? conversion.codec,
      channels: header?.channels ?? conversion.sourceChannels,
      sampleRate: header?.sampleRate ?? conversion.sourceRate, duration: conversion.duration, mp3: mp3File,
      peaks: peaksFile)
  }

  private func originalKind(of file: SpoolFile) async throws(TapedeckError) -> ObjectName.Kind {
    MediaSignature(try await headerBytes(of: file)).container.flatMap { ObjectName.Kind(rawValue: $0.rawValue) } ?? .wav
  }

  private struct PendingObject: Sendable {
    var file: FilePath
    var kind: ObjectName.Kind
    var content: ObjectContent
  }

  /// Stores files concurrently, under names that the catalog gives. They are returned in the same order.
  private func store(_ pending: [PendingObject]) async throws(TapedeckError) -> [MediaPart.File] {
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
    return zip(pending, names).map { MediaPart.File(name: $1, hash: $0.content.hash, bytes: $0.content.bytes) }
  }
}
