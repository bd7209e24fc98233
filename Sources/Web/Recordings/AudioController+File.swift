import Access
import Catalog
import Foundation
import Hummingbird
import Logging
import Model
import NIOCore
import ObjectStorage

extension AudioController {
  /// A file of a recording that is sent.
  struct File: Sendable {
    var key: RecordingKey
    var kind: FileKind
    /// The part of the recording, counted from 0; nil for a file of several parts together.
    var part: Int?
    var object: ObjectName
    var content: ObjectContent
    /// Whether the request asked for one part.
    var isOnePart: Bool

    var sha256: String { content.hash.rawValue }

    var contentType: String { object.kind.contentType }

    /// The file in log entries.
    var label: String { isOnePart ? "\(kind) of part \((part ?? 0) + 1)" : "\(kind)" }

    /// The name of a download: ASCII, because it becomes a header; cut, because file systems limit names to 255 bytes.
    var name: String {
      let id = key.id.rawValue.prefix(200)
      let text = id.map { $0.isASCII && ($0.isLetter || $0.isNumber || "-_.".contains($0)) ? $0 : "_" }
      let suffix = kind == .peaks ? "dat" : object.kind.rawValue
      return isOnePart ? "\(String(text))-part\((part ?? 0) + 1).\(suffix)" : "\(String(text)).\(suffix)"
    }
  }

  /// The file that a request asks for: of the whole recording, or with `part` of one part.
  ///
  /// - Throws: `audioNotReady`; `notFound` for a part that the archive does not have and for an original that was not
  ///   kept.
  func file(_ wanted: FileKind, _ admitted: Admitted<RecordingSubject>) throws(TapedeckError) -> File {
    let subject = admitted.subject
    guard let whole = WholeFiles(subject.recording, subject.parts) else { throw TapedeckError(.audioNotReady) }
    guard let number = admitted.query.integer("part").map({ Int($0) - 1 }) else {
      guard let file = whole[wanted] else { throw Self.missingOriginal(of: subject) }
      return File(
        key: subject.key, kind: wanted, part: whole.part, object: file.name, content: file.content, isOnePart: false)
    }
    guard let part = subject.parts.first(where: { $0.part == number }) else {
      let isMissing = subject.recording?.missingParts.contains { $0.part == number } == true
      throw TapedeckError(
        .notFound,
        isMissing
          ? "The platform has no media for this part of the recording." : "The recording has no part with this number.")
    }
    guard let file = part.files[wanted] else { throw Self.missingOriginal(of: subject) }
    return File(
      key: subject.key, kind: wanted, part: number, object: file.name, content: file.content, isOnePart: true)
  }

  private static func missingOriginal(of subject: RecordingSubject) -> TapedeckError {
    if subject.recording?.joined != nil, subject.parts.contains(where: { $0.original != nil }) {
      let numbers = subject.parts.map { "\($0.part + 1)" }.joined(separator: ", ")
      return TapedeckError(
        .notFound, "Each part of this recording has an original of its own. Add '?part=' with one of: \(numbers).")
    }
    return TapedeckError(
      .notFound, "The original was not kept. The MP3 is at /audio/\(subject.key.pathSegment).mp3.")
  }

  /// Opens an object, whose length must be the one in the catalog.
  func open(
    _ file: File, anew: Bool, _ admitted: Admitted<RecordingSubject>
  ) async throws -> any StoredObject {
    try await noting(file, admitted) { () throws(TapedeckError) in
      let object = try await anew ? store.openAnew(file.object) : store.open(file.object)
      guard object.bytes == file.content.bytes else {
        throw TapedeckError(.objectDamaged, detail: "\(file.object) has \(object.bytes) bytes")
      }
      return object
    }
  }

  /// Reads a piece of the object, which must not be empty.
  func read(
    _ object: any StoredObject, at offset: Int64, limit: Int, _ file: File, _ admitted: Admitted<RecordingSubject>
  ) async throws(TapedeckError) -> ByteBuffer {
    try await noting(file, admitted) { () throws(TapedeckError) in
      let bytes = try await object.read(at: offset, limit: limit)
      guard bytes.readableBytes > 0 else {
        throw TapedeckError(.objectDamaged, detail: "\(file.object) ends at \(offset)")
      }
      return bytes
    }
  }

  /// Runs `body`; when it finds that the object is damaged or missing, marks the recording.
  private func noting<T>(
    _ file: File, _ admitted: Admitted<RecordingSubject>, _ body: () async throws(TapedeckError) -> T
  ) async throws(TapedeckError) -> T {
    do throws(TapedeckError) { return try await body() } catch {
      guard [.objectDamaged, .objectMissing].contains(error.code) else { throw error }
      let damage = await recordDamage(error.code, of: file, admitted)
      throw TapedeckError(error.code, damage, detail: error.detail, cause: error)
    }
  }

  /// Marks the recording as damaged, so that the next scrub verifies and repairs it.
  ///
  /// - Returns: what is wrong, as a sentence for the client.
  func recordDamage(
    _ code: TapedeckError.Code, of file: File, _ admitted: Admitted<RecordingSubject>
  ) async -> String {
    let files = [DamagedFile(file.kind, part: file.part, code == .objectMissing ? .missing : .damaged)]
    guard let recording = admitted.subject.recording else { return "\(DamagedFile.finding(files))." }
    let known = recording.damage
    if let known, known.unusableFiles(ofPart: file.part).contains(file.kind) { return known.sentence }
    let damage = Damage(
      // What is known about other files stays known.
      recordingID: recording.id, key: recording.key, files: (known?.files ?? []) + files, code: code,
      hasOriginal: admitted.subject.parts.allSatisfy { $0.original != nil }, details: ["object": "\(file.object)"])
    do throws(TapedeckError) { try await catalog.recordDamage([damage], at: now(), by: .playback) } catch {
      admitted.context.logger.error(
        "damage cannot be recorded", metadata: ["recording": "\(recording.key)", "error": "\(error)"])
    }
    return "\(damage.finding)."
  }
}
