import Foundation
import Model
import NIOCore
import NIOPosix
import ObjectStorage
import SystemPackage
import TestKit
import Testing

/// Spool, objects and quarantine on different file systems. `/dev/shm` is the other one.
@Suite(.timeLimit(.minutes(1))) struct TwoDisksTests {
  /// Local files that are to be stored.
  let folder: TemporaryFolder
  let other: TemporaryFolder
  /// A link to the other file system.
  let root: FilePath

  init() throws {
    folder = try TemporaryFolder()
    other = try TemporaryFolder(in: "/dev/shm")
    root = folder.path.appending("objects")
    try FileManager.default.createSymbolicLink(atPath: root.string, withDestinationPath: other.path.string)
    let devices = try [folder.path, other.path].map {
      try FileManager.default.attributesOfItem(atPath: $0.string)[.systemNumber] as? Int
    }
    try #require(devices[0] != devices[1], "These tests need two file systems.")
  }

  private func store(quarantine: FilePath? = nil) throws -> FileObjectStore {
    try FileObjectStore(
      root: root, quarantine: quarantine ?? folder.path.appending("quarantine"), threads: .singleton,
      now: Instant.systemNow)
  }

  @Test(arguments: [0, 1, (1 << 20) + 1, 40 << 20] as [Int64])
  func `a file from another file system is stored like any other`(bytes: Int64) async throws {
    let (store, file) = (try store(), try LongFile(bytes: bytes, in: folder))
    try await store.store(file.path, as: file.object, bytes: bytes)
    #expect(!folder.exists(file.path))
    #expect(try TemporaryFolder.files(below: other.path) == [file.object.description])
    #expect(try TemporaryFolder.mode(of: other.path.appending(file.object.description)) == 0o400)
    let found = try await store.content(of: file.object.name)
    #expect(found.hash == file.object.hash)
    #expect(found.bytes == bytes)
  }

  @Test func `16 tasks that store the same object at once leave one object`() async throws {
    let (store, object) = (try store(), try LongFile(bytes: 1 << 20, in: folder).object)
    try await withThrowingTaskGroup(of: Void.self) { group in
      for _ in 0..<16 {
        let file = try LongFile(bytes: 1 << 20, in: folder)
        group.addTask { try await store.store(file.path, as: object, bytes: 1 << 20) }
      }
      try await group.waitForAll()
    }
    #expect(try TemporaryFolder.files(below: other.path) == [object.description])
    #expect(try await store.content(of: object.name).hash == object.hash)
  }

  @Test func `a file that cannot be copied leaves nothing behind and can be stored later`() async throws {
    let (store, file, object) = (try store(), try folder.file([1, 2, 3]), try TestObject([1, 2, 3]))
    // In place of the folder that the object belongs in.
    let obstacle = root.appending(object.description).removingLastComponent()
    try Data().write(to: URL(filePath: obstacle.string))
    #expect(await failure { try await store.store(file, as: object, bytes: 3) } == .storageFailed)
    #expect(try TemporaryFolder.files(below: other.path) == [obstacle.lastComponent?.string])
    #expect(try TemporaryFolder.mode(of: file) & 0o200 != 0)
    try FileManager.default.removeItem(atPath: obstacle.string)
    try await store.store(file, as: object, bytes: 3)
    #expect(try await store.contents(of: object) == [1, 2, 3])
  }

  @Test func `an object is moved to a quarantine on another file system`() async throws {
    let store = try store()
    let file = try LongFile(bytes: 20 << 20, in: folder)
    try await store.store(file.path, as: file.object, bytes: file.bytes)
    _ = try await store.open(file.object.name)
    try await store.quarantine(file.object.name, because: "Its hash is wrong.")
    #expect(await failure { try await store.open(file.object.name) } == .objectMissing)
    #expect(try TemporaryFolder.files(below: other.path) == [])
    let quarantine = folder.path.appending("quarantine")
    let names = try FileSystemCalls.names(in: quarantine).sorted()
    #expect(names.count == 2)
    let name = try #require(names.first)
    #expect(names.last == "\(name).json")
    #expect(name.hasSuffix("Z-\(file.object.name.file)"))
    #expect(try FileSystemCalls.file(quarantine.appending(name))?.bytes == file.bytes)
    let contents = try Data(contentsOf: URL(fileURLWithPath: quarantine.appending(name).string))
    #expect(Array(contents) == LongFile.contents(0..<file.bytes))
  }

  @Test func `an object that cannot be moved to quarantine stays where it is`() async throws {
    let quarantine = folder.path.appending("quarantine")
    let store = try FileObjectStore(
      root: root, quarantine: quarantine, threads: .singleton, now: { Instant(milliseconds: 1_768_478_400_123) })
    let object = try await store.keep([1, 2, 3], by: folder)
    let obstacle = quarantine.appending("2026-01-15T120000.123Z-\(object.name.file)")
    try FileSystemCalls.makeFolder(obstacle.appending("in the way"))
    #expect(await failure { try await store.quarantine(object.name, because: "") } == .storageFailed)
    #expect(try await store.contents(of: object) == [1, 2, 3])
    let names = try FileSystemCalls.names(in: quarantine)
    #expect(Set(names) == ["\(obstacle.lastComponent?.string ?? "")", "\(obstacle.lastComponent?.string ?? "").json"])
  }

  @Test func `copies left by a crashed process are removed at the next start, copies being written are not`() throws {
    let quarantine = folder.path.appending("quarantine")
    try FileSystemCalls.makeFolder(quarantine)
    for place in [root, quarantine] {
      for name in [".moving_dead", ".moving_alive", "README"] {
        try Data([1]).write(to: URL(fileURLWithPath: place.appending(name).string))
      }
    }
    let writers = try [root, quarantine].map { try FileDescriptor.open($0.appending(".moving_alive"), .writeOnly) }
    for writer in writers { #expect(try FileSystemCalls.tryLock(writer)) }
    _ = try store()
    for place in [root, quarantine] {
      #expect(try FileSystemCalls.names(in: place).sorted() == [".moving_alive", "README"])
    }
    for writer in writers { try writer.close() }
  }
}
