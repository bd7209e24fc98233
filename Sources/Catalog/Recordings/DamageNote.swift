package import Model

/// A stored sentence about damage, in its parts, so that pages show its time in the time zone of the reader.
package struct DamageNote: Sendable {
  /// A file of a recording, as the sentence names it.
  package enum File: String, Sendable, CaseIterable {
    case mp3 = "MP3"
    case original
    case peaks = "waveform"
  }

  /// What is wrong, without a full stop.
  package let finding: String
  /// When it was found, to the minute; nil for a sentence in another form.
  package let foundAt: Instant?
  /// What follows the time: why the repair failed; empty when it has not.
  package let rest: String

  package init(_ sentence: String) {
    guard let start = sentence.firstRange(of: ", found on "),
      let end = sentence[start.upperBound...].firstRange(of: " UTC."),
      let found = Instant(
        iso8601: sentence[start.upperBound..<end.lowerBound].replacing(" at ", with: "T", maxReplacements: 1) + ":00Z")
    else {
      (finding, foundAt, rest) = (sentence, nil, "")
      return
    }
    finding = String(sentence[..<start.lowerBound])
    foundAt = found
    rest = String(sentence[end.upperBound...])
  }

  /// The files of the first part that the sentence calls damaged or missing; all of them when none is known.
  package var files: Set<File> {
    if finding.hasPrefix("No files are known") { return Set(File.allCases) }
    return Set(File.allCases.filter { states(of: $0).contains { finding.contains($0) } })
  }

  /// Whether the sentence says that the bytes of a file differ from the catalog.
  package func isDamaged(_ file: File) -> Bool { finding.contains("he \(file.rawValue) is damaged") }

  private func states(of file: File) -> [String] { ["damaged", "missing"].map { "he \(file.rawValue) is \($0)" } }

  /// The sentence, as it is stored.
  static func sentence(_ finding: String, at moment: Instant) -> String {
    let text = moment.iso8601
    return "\(finding), found on \(text.prefix(10)) at \(text.dropFirst(11).prefix(5)) UTC."
  }
}
