import Catalog
import Model
import ObjectStorage

/// Checks that an archived recording is one of the files that the platform has had, and nothing else.
enum HostileJudge {
  /// Describes what is wrong with an archived recording; nil when it is right.
  ///
  /// - Parameters:
  ///   - original: the kept bytes
  ///   - truths: the complete files, one of which the recording must equal
  static func complaint(about original: [UInt8], _ part: MediaPart, truths: [[UInt8]]) -> String? {
    guard part.sourceBytes == Int64(original.count) else {
      return "the row says \(part.sourceBytes) bytes, \(original.count) are kept"
    }
    guard part.original?.kind == .wav else { return "the original's name is \(part.original?.rawValue ?? "none")" }
    if truths.contains(original) {
      let hash = sha256(original)
      return part.sourceHash.rawValue == hash
        ? nil : "the row says SHA-256 \(part.sourceHash), the kept bytes have \(hash)"
    }
    let nearest = truths.map { truth in
      guard let place = zip(truth, original).enumerated().first(where: { $0.element.0 != $0.element.1 })?.offset else {
        return "\(original.count) bytes instead of \(truth.count)"
      }
      return "another byte at \(place) of \(truth.count)"
    }
    return "none of the platform's files: \(nearest.joined(separator: "; "))"
  }

  /// The objects whose content does not match the hash that the catalog has for their name.
  static func damagedObjects(in fixture: PipelineFixture) async throws -> [ObjectName] {
    var damaged: [ObjectName] = []
    for name in try await fixture.objects() {
      let known = try await fixture.catalog.objectContents(inFolder: String(name.digits.prefix(2)))[name]
      if try await fixture.store.content(of: name) != known { damaged.append(name) }
    }
    return damaged
  }
}
