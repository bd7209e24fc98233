/// The files that are archived of each part of a recording.
package enum FileKind: String, Sendable, Codable, CaseIterable {
  case original, mp3, peaks

  /// The name of the file of one part, counted from 0, in messages; nil for the file of all parts.
  package func name(inPart part: Int?) -> String {
    let label =
      switch self {
      case .original: "original"
      case .mp3: "MP3"
      case .peaks: "waveform"
      }
    guard let part else { return "\(label) of the whole call" }
    return part == 0 ? label : "\(label) of part \(part + 1)"
  }
}
