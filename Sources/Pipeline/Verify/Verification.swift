package import Catalog
package import Model
import ObjectStorage

/// A file of a recording as the catalog has it.
package struct ArchivedFile: Sendable, Equatable {
  package enum Kind: String, Sendable {
    case original, mp3, peaks

    /// For messages.
    var label: String {
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
  package var name: ObjectName
  package var content: ObjectContent

  /// Every file of some parts, without originals that were not kept.
  static func all(of parts: [MediaPart]) -> [ArchivedFile] {
    parts.flatMap { part in
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

  var name: String { file.part == 0 ? file.kind.label : "\(file.kind.label) of part \(file.part + 1)" }
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

  package var verdict: Verdict {
    if recording == nil { return .notArchived }
    if findings.contains(where: \.isUnreadable) { return .unreadable }
    return findings.isEmpty && !isWithoutFiles ? .whole : .damaged
  }

  /// The findings as one clause: "The MP3 is damaged and the waveform is missing".
  ///
  /// A damaged file that was moved to quarantine is still called damaged, not missing.
  var clause: String {
    if isWithoutFiles { return "No files are known" }
    let known = recording?.damage ?? ""
    let clauses = findings.map { finding in
      let wasDamaged = known.contains("he \(finding.name) is damaged")
      return "the \(finding.name) is \(wasDamaged ? "damaged" : finding.label)"
    }
    let text =
      clauses.count < 2 ? clauses.joined() : "\(clauses.dropLast().joined(separator: ", ")) and \(clauses.last ?? "")"
    return text.prefix(1).uppercased() + text.dropFirst()
  }

  /// What the catalog stores; nil unless a file is damaged or missing.
  var damage: Damage? {
    guard let recording, verdict == .damaged else { return nil }
    let hasOriginal = ArchivedFile.Kind.original
    return Damage(
      recordingID: recording.id, key: key, finding: clause,
      code: findings.contains(where: \.isDamaged) ? .objectDamaged : .objectMissing,
      hasOriginal: keepsOriginal && !findings.contains { $0.file.kind == hasOriginal },
      details: Dictionary(
        findings.map { ("\($0.file.kind.rawValue)_\($0.file.part)", "\($0.label) \($0.file.name)") }
      ) { first, _ in first })
  }

  /// Whether the catalog has an original of every part.
  var keepsOriginal = false
}
