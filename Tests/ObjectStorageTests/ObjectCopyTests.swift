import Foundation
import Model
import NIOPosix
import ObjectStorage
import SystemPackage
import Testing

/// Copies between two folders stand for copies to a bucket.
@Suite(.timeLimit(.minutes(1)))
struct ObjectCopyTests {
  private let from: TemporaryFolder
  private let to: TemporaryFolder
  private let source: FileObjectStore
  private let target: FileObjectStore
  private let sound = (0..<3000).map { UInt8(truncatingIfNeeded: $0 &* 31) }

  init() throws {
    from = try TemporaryFolder()
    to = try TemporaryFolder()
    source = try FileObjectStore(in: from)
    target = try FileObjectStore(in: to)
  }

  /// Opens both folders anew, as each run of the command does: a store keeps files open that it has read.
  private func copy(_ known: [TestObject], bytes: Int64) async throws -> ObjectCopy.Outcome {
    let copy = ObjectCopy(
      from: try FileObjectStore(in: from), to: try FileObjectStore(in: to), scratch: from.path, threads: .singleton)
    return try await copy.run { folder throws(TapedeckError) in
      Dictionary(
        uniqueKeysWithValues: known.filter { $0.folder == folder }.map {
          ($0.name, ObjectContent(hash: $0.hash, bytes: bytes))
        })
    } progress: { _ in
    }
  }

  private func overwrite(_ object: TestObject, in folder: TemporaryFolder, _ bytes: [UInt8]) throws {
    let path = folder.path.appending("objects").pushing(FilePath(object.name.description)).string
    try FileManager.default.removeItem(atPath: path)
    try Data(bytes).write(to: URL(fileURLWithPath: path))
  }

  @Test func `a second run copies nothing`() async throws {
    let object = try await source.keep(sound, by: from)
    #expect(try await copy([object], bytes: 3000) == .init(copied: 1, copiedBytes: 3000))
    #expect(try await copy([object], bytes: 3000) == .init(alreadyThere: 1))
  }

  /// Damage of the target's object: its bytes instead of the intact ones.
  private static let damages: [[UInt8]] = [
    [UInt8](repeating: 0, count: 3000), [1, 2, 3], [], [UInt8](repeating: 1, count: 5000),
  ]

  @Test(arguments: damages, [true, false])
  func `a damaged object of the target is quarantined and copied again`(damage: [UInt8], isKnown: Bool) async throws {
    let object = try await source.keep(sound, by: from)
    let known = isKnown ? [object] : []
    _ = try await copy(known, bytes: 3000)
    try overwrite(object, in: to, damage)
    #expect(try await copy(known, bytes: 3000) == .init(copied: 1, copiedBytes: 3000, repaired: 1))
    #expect(try await target.content(of: object.name).hash == object.hash)
    let kept = try TemporaryFolder.files(below: to.path.appending("quarantine"))
    #expect(kept.contains { $0.hasSuffix(object.name.file) })
    #expect(try await copy(known, bytes: 3000) == .init(alreadyThere: 1))
  }

  @Test func `a whole object of the target stays when that of the source is damaged`() async throws {
    let object = try await source.keep(sound, by: from)
    _ = try await copy([object], bytes: 3000)
    try overwrite(object, in: from, [UInt8](repeating: 0, count: 3000))
    #expect(try await copy([object], bytes: 3000) == .init(alreadyThere: 1))
    #expect(try await target.content(of: object.name).hash == object.hash)
  }

  @Test func `when both are damaged, the target's object is left in place and reported`() async throws {
    let object = try await source.keep(sound, by: from)
    _ = try await copy([object], bytes: 3000)
    for folder in [from, to] { try overwrite(object, in: folder, [UInt8](repeating: 0, count: 3000)) }
    #expect(try await copy([object], bytes: 3000) == .init(damaged: [object.name]))
    #expect(try await target.content(of: object.name).bytes == 3000)
  }
}
