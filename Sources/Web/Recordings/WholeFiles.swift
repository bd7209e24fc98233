import Catalog
import Model

/// The files of the whole audio of a recording: those of its only part, or those of all parts together, which have no
/// common original.
struct WholeFiles: Sendable {
  /// The part by which notes of damage name these files; nil for those of all parts together.
  let part: Int?
  private let files: [FileKind: MediaPart.File]

  /// Nil while the recording is not archived.
  init?(_ recording: RecordingRow?, _ parts: [MediaPart]) {
    guard let first = parts.first else { return nil }
    if let joined = recording?.joined {
      part = nil
      files = [.mp3: joined.mp3, .peaks: joined.peaks]
    } else {
      part = first.part
      files = first.files
    }
  }

  /// A file; nil for an original that was not kept or that each part has for itself.
  subscript(kind: FileKind) -> MediaPart.File? { files[kind] }
}

extension MediaPart {
  /// The files of the part, without an original that was not kept.
  var files: [FileKind: MediaPart.File] {
    var files: [FileKind: MediaPart.File] = [.mp3: mp3, .peaks: peaks]
    if let original { files[.original] = MediaPart.File(name: original, hash: sourceHash, bytes: sourceBytes) }
    return files
  }
}
