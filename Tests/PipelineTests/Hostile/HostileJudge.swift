import Catalog
import Model

/// Says whether what lies in the archive is one of the files that the platform has had, and nothing else.
enum HostileJudge {
  /// What is wrong with an archived recording; nil when it is right.
  ///
  /// - Parameters:
  ///   - original: the bytes that are kept
  ///   - truths: the whole files, to one of which they must be equal
  static func complaint(about original: [UInt8], _ part: MediaPart, truths: [[UInt8]]) -> String? {
    guard part.sourceBytes == Int64(original.count) else {
      return "the row says \(part.sourceBytes) bytes, \(original.count) are kept"
    }
    guard part.originalKey == "\(part.sourceSHA256.prefix(2))/\(part.sourceSHA256).wav" else {
      return "the key \(part.originalKey ?? "none") is not that of the hash \(part.sourceSHA256)"
    }
    if truths.contains(original) { return nil }
    let nearest = truths.map { truth in
      guard let place = zip(truth, original).enumerated().first(where: { $0.element.0 != $0.element.1 })?.offset else {
        return "\(original.count) bytes instead of \(truth.count)"
      }
      return "another byte at \(place) of \(truth.count)"
    }
    return "none of the platform's files: \(nearest.joined(separator: "; "))"
  }

  /// The objects whose bytes have not the hash that is their name, `<2 digits>/<hash>.<kind>`.
  static func misnamedObjects(in fixture: PipelineFixture) async throws -> [String] {
    try await fixture.objects().sorted().filter { key in
      try !key.dropFirst(3).hasPrefix(sha256(fixture.bytes(ofObject: key)) + ".")
    }
  }
}
