import Foundation
package import Model

/// A file of a recording that is damaged or missing.
package struct DamagedFile: Sendable, Codable, Hashable {
  package enum State: String, Sendable, Codable {
    case damaged, missing
  }

  package var kind: FileKind
  /// Counted from 0; nil for a file of all parts.
  package var part: Int?
  package var state: State

  package init(_ kind: FileKind, part: Int? = 0, _ state: State) {
    self.kind = kind
    self.part = part
    self.state = state
  }

  /// What is wrong, without a full stop: "The MP3 is damaged and the waveform is missing".
  ///
  /// - Parameter files: empty when the catalog knows no file of the recording.
  package static func finding(_ files: [DamagedFile]) -> String {
    guard let last = files.last else { return "No files are known" }
    func clause(_ file: DamagedFile) -> String { "the \(file.kind.name(inPart: file.part)) is \(file.state.rawValue)" }
    let others = files.dropLast().map(clause).joined(separator: ", ")
    let text = others.isEmpty ? clause(last) : "\(others) and \(clause(last))"
    return text.prefix(1).uppercased() + text.dropFirst()
  }
}

/// What is wrong with the files of a recording. The catalog stores it as JSON.
package struct DamageNote: Sendable, Codable, Equatable {
  /// Empty when the catalog knows no file of the recording.
  package var files: [DamagedFile]
  /// When it was first found.
  package var foundAt: Instant
  /// Why the last repair failed, as a sentence that follows a colon; nil when none has.
  package var repairFailure: String?

  init(files: [DamagedFile], foundAt: Instant) {
    self.files = files
    self.foundAt = foundAt
  }

  /// - Throws: `catalogFailed`.
  init(stored: String) throws(TapedeckError) {
    do { self = try JSONDecoder().decode(DamageNote.self, from: Data(stored.utf8)) } catch {
      throw TapedeckError(.catalogFailed, detail: "column 'damage' has an unexpected value", cause: error)
    }
  }

  /// The text that the catalog stores; equal notes have equal texts.
  func stored() throws(TapedeckError) -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = .sortedKeys
    do { return String(decoding: try encoder.encode(self), as: UTF8.self) } catch {
      throw TapedeckError(.internalError, cause: error)
    }
  }

  /// The files of one part, or with nil of all parts together, that are damaged or missing; all of them when none is
  /// known.
  package func unusableFiles(ofPart part: Int?) -> Set<FileKind> {
    files.isEmpty ? Set(FileKind.allCases) : Set(files.filter { $0.part == part }.map(\.kind))
  }

  /// Whether the bytes of a file differ from the catalog.
  package func isDamaged(_ file: FileKind, part: Int?) -> Bool {
    files.contains(DamagedFile(file, part: part, .damaged))
  }

  /// What is wrong, without a full stop.
  package var finding: String { DamagedFile.finding(files) }

  /// Why the last repair failed, as a sentence after a space; empty when none has.
  package var repairText: String { repairFailure.map { " The recording could not be repaired: \($0)" } ?? "" }

  /// The whole text, with the time in UTC.
  package var sentence: String {
    let time = foundAt.iso8601
    return "\(finding) (found on \(time.prefix(10)) at \(time.dropFirst(11).prefix(5)) UTC).\(repairText)"
  }
}
