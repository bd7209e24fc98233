package import Catalog
package import Model
import ObjectStorage

/// A file of a recording as the catalog has it.
package struct ArchivedFile: Sendable, Equatable {
  package var kind: FileKind
  /// Counted from 0; nil for a file of all parts.
  package var part: Int?
  package var name: ObjectName
  package var content: ObjectContent

  /// Every file of a recording with these parts, without originals that were not kept.
  static func all(of recording: RecordingRow, _ parts: [MediaPart]) -> [ArchivedFile] {
    let joined = recording.joined.map { joined in
      [
        ArchivedFile(kind: .mp3, name: joined.mp3.name, content: joined.mp3.content),
        ArchivedFile(kind: .peaks, name: joined.peaks.name, content: joined.peaks.content),
      ]
    }
    return (joined ?? []) + parts.flatMap { part in
      var files = [
        ArchivedFile(kind: .mp3, part: part.part, name: part.mp3.name, content: part.mp3.content),
        ArchivedFile(kind: .peaks, part: part.part, name: part.peaks.name, content: part.peaks.content),
      ]
      if let name = part.original {
        let content = ObjectContent(hash: part.sourceHash, bytes: part.sourceBytes)
        files.insert(ArchivedFile(kind: .original, part: part.part, name: name, content: content), at: 0)
      }
      return files
    }
  }
}

/// A file that differs from the catalog.
package struct Finding: Sendable {
  package enum State: Sendable {
    case missing
    /// Its bytes are different.
    case damaged(ObjectContent)
    /// It is not a file, or changed while it was read; with the reason.
    case unusable(String)
    /// It could not be read; its bytes may be right.
    case unreadable(TapedeckError)
  }

  package var file: ArchivedFile
  package var state: State

  package var isUnreadable: Bool { if case .unreadable = state { true } else { false } }
  package var isDamaged: Bool {
    switch state {
    case .damaged, .unusable: true
    case .missing, .unreadable: false
    }
  }

  /// `missing`, `damaged` or `unreadable`.
  package var label: String {
    switch state {
    case .missing: "missing"
    case .damaged, .unusable: "damaged"
    case .unreadable: "unreadable"
    }
  }

  /// What is wrong, as a sentence.
  package var sentence: String {
    switch state {
    case .missing: "The \(name) is missing."
    case .damaged(let found) where found.bytes != file.content.bytes:
      "The \(name) has \(counted(found.bytes, "byte")) instead of \(grouped(file.content.bytes))."
    case .damaged: "The content of the \(name) differs from the archived one."
    case .unusable(let reason): "The \(name) is damaged: \(reason)."
    case .unreadable(let error): "The \(name) could not be read: \(error.detail ?? error.message)"
    }
  }

  var name: String { file.kind.name(inPart: file.part) }
}

/// The result of verifying one recording.
package struct Verification: Sendable {
  package enum Verdict: String, Sendable {
    case whole, damaged, unreadable
    case notArchived = "not_archived"
  }

  package var key: RecordingKey
  /// The row as it was when the files were read; nil when the recording is not archived.
  package var recording: RecordingRow?
  /// The number of files that were checked, and of bytes that were read.
  package var objects = 0
  package var bytes: Int64 = 0
  package var findings: [Finding] = []
  /// Whether the catalog has the recording but none of its files.
  var isWithoutFiles = false
  /// The job that repairs it; nil when nothing is damaged or no repair was requested.
  package var repair: RepairJob?
  /// Why damage cannot be repaired; nil when a repair was requested, or none was to be.
  package var refusal: TapedeckError?

  package var verdict: Verdict {
    if recording == nil { return .notArchived }
    if findings.contains(where: \.isUnreadable) { return .unreadable }
    return findings.isEmpty && !isWithoutFiles ? .whole : .damaged
  }

  /// What the catalog stores; nil unless a file is damaged or missing.
  var damage: Damage? {
    guard let recording, verdict == .damaged else { return nil }
    // A damaged file that was moved to quarantine is still called damaged, not missing.
    let files = findings.map { finding in
      let file = finding.file
      let isDamaged = finding.isDamaged || recording.damage?.isDamaged(file.kind, part: file.part) == true
      return DamagedFile(file.kind, part: file.part, isDamaged ? .damaged : .missing)
    }
    return Damage(
      recordingID: recording.id, key: key, files: files,
      code: findings.contains(where: \.isDamaged) ? .objectDamaged : .objectMissing,
      hasOriginal: keepsOriginal && !findings.contains { $0.file.kind == .original },
      details: Dictionary(
        findings.map { finding in
          let part = finding.file.part.map(String.init) ?? "whole"
          return ("\(finding.file.kind.rawValue)_\(part)", "\(finding.label) \(finding.file.name)")
        }
      ) { first, _ in first })
  }

  /// Whether the catalog has an original of every part.
  var keepsOriginal = false
}
