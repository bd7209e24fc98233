import Catalog
import Foundation
import Model
import SystemPackage

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

  /// The objects whose bytes have not the hash that is their name; told by somebody else's tool.
  static func misnamedObjects(in fixture: PipelineFixture) async throws -> [String] {
    let keys = try await fixture.objects().sorted()
    guard !keys.isEmpty else { return [] }
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/sha256sum")
    process.currentDirectoryURL = URL(filePath: fixture.folder.appending("objects").string)
    process.arguments = keys
    let output = Pipe()
    process.standardOutput = output
    try process.run()
    let text = String(decoding: try output.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
    process.waitUntilExit()
    // "<hash>  <2 digits>/<hash>.<kind>"
    let lines = text.split(separator: "\n")
    guard lines.count == keys.count else { return ["sha256sum read \(lines.count) of \(keys.count) objects"] }
    return lines.filter { line in
      let words = line.split(separator: " ")
      return words.count != 2 || !words[1].dropFirst(3).hasPrefix(words[0] + ".")
    }.map(String.init)
  }
}
