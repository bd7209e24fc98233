package import Catalog
package import Model
import ObjectStorage

/// One file of a recording as the catalog has it.
package struct ArchivedFile: Sendable, Equatable {
  package enum Kind: String, Sendable {
    case original, mp3, peaks

    /// As people call it.
    var name: String {
      switch self {
      case .original: "original"
      case .mp3: "MP3"
      case .peaks: "waveform"
      }
    }
  }

  package var kind: Kind
  /// Counted from 0.
  package var part: Int
  package var key: String
  package var sha256: String
  package var bytes: Int64

  /// Every file of some parts; an original that was not kept is none.
  static func all(of parts: [MediaPart]) -> [ArchivedFile] {
    parts.flatMap { part in
      var files = [
        ArchivedFile(
          kind: .mp3, part: part.part, key: part.mp3.key, sha256: part.mp3.sha256, bytes: part.mp3.bytes),
        ArchivedFile(
          kind: .peaks, part: part.part, key: part.peaks.key, sha256: part.peaks.sha256, bytes: part.peaks.bytes),
      ]
      if let key = part.originalKey {
        files.insert(
          ArchivedFile(
            kind: .original, part: part.part, key: key, sha256: part.sourceSHA256, bytes: part.sourceBytes), at: 0)
      }
      return files
    }
  }
}

/// A file that is not what the catalog says.
package struct Finding: Sendable {
  package enum State: Sendable {
    case missing
    /// Its bytes are others; what they were, unless they changed while they were read.
    case damaged(sha256: String?, bytes: Int64?)
    /// It could not be read, which says nothing about its bytes.
    case unreadable(TapedeckError)
  }

  package var file: ArchivedFile
  package var state: State

  package var isUnreadable: Bool { if case .unreadable = state { true } else { false } }
  package var isDamaged: Bool { if case .damaged = state { true } else { false } }

  /// `missing`, `damaged` or `unreadable`.
  package var word: String {
    switch state {
    case .missing: "missing"
    case .damaged: "damaged"
    case .unreadable: "unreadable"
    }
  }

  /// What is wrong with it, in a sentence.
  package var sentence: String {
    switch state {
    case .missing: "The \(name) is missing."
    case .damaged(_, let bytes?) where bytes != file.bytes:
      "The \(name) has \(bytes) bytes instead of \(file.bytes)."
    case .damaged: "The \(name) has another content than the one that was archived."
    case .unreadable(let error): "The \(name) could not be read: \(error.detail ?? error.message)"
    }
  }

  var name: String { file.part == 0 ? file.kind.name : "\(file.kind.name) of part \(file.part + 1)" }
}

/// What a verification of one recording found.
package struct Verification: Sendable {
  package enum Verdict: String, Sendable {
    case whole, damaged, unreadable
    case notArchived = "not_archived"
  }

  package var key: RecordingKey
  /// The row as it was when the files were read; nil when the recording is not in the archive.
  package var recording: RecordingRow?
  /// How many files were looked for, and how many bytes were read.
  package var objects = 0
  package var bytes: Int64 = 0
  package var findings: [Finding] = []
  /// Whether the catalog has the recording and not one of its files, so that nothing of it could be played.
  var isWithoutFiles = false
  /// The job that repairs it; nil when nothing is to be repaired, or nobody wanted it.
  package var repair: RepairJob?

  package var verdict: Verdict {
    if recording == nil { return .notArchived }
    if findings.contains(where: \.isUnreadable) { return .unreadable }
    return findings.isEmpty && !isWithoutFiles ? .whole : .damaged
  }

  /// The findings in one clause: "The MP3 is damaged and the waveform is missing".
  ///
  /// A file that is known as damaged stays called so after it was moved to quarantine, from where it is missing.
  var clause: String {
    if isWithoutFiles { return "No files are known" }
    let known = recording?.damage ?? ""
    let clauses = findings.map { finding in
      let wasDamaged = known.contains("he \(finding.name) is damaged")
      return "the \(finding.name) is \(wasDamaged ? "damaged" : finding.word)"
    }
    let text =
      clauses.count < 2 ? clauses.joined() : "\(clauses.dropLast().joined(separator: ", ")) and \(clauses.last ?? "")"
    return text.prefix(1).uppercased() + text.dropFirst()
  }

  /// What the catalog keeps of it; nil unless something is damaged or missing.
  var damage: Damage? {
    guard let recording, verdict == .damaged else { return nil }
    let hasOriginal = ArchivedFile.Kind.original
    return Damage(
      recordingID: recording.id, key: key, finding: clause,
      code: findings.contains(where: \.isDamaged) ? .objectDamaged : .objectMissing,
      hasOriginal: keepsOriginal && !findings.contains { $0.file.kind == hasOriginal },
      details: Dictionary(
        findings.map { ("\($0.file.kind.rawValue)_\($0.file.part)", "\($0.word) \($0.file.key)") }
      ) { first, _ in first })
  }

  /// Whether the catalog names an original of every part.
  var keepsOriginal = false
}
