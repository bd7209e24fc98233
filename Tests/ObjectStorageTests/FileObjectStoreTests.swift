import Foundation
import Model
import NIOCore
import NIOPosix
import ObjectStorage
import SystemPackage
import Testing

/// What holds for files beyond the contract.
@Suite struct FileObjectStoreTests {
  let folder: TemporaryFolder
  let root: FilePath
  let store: FileObjectStore
  let key: ObjectKey

  init() throws {
    folder = try TemporaryFolder()
    root = folder.path.appending("deep/down/objects")
    store = try FileObjectStore(
      root: root, quarantine: folder.path.appending("quarantine"), threads: .singleton, now: { .systemNow() })
    key = try ObjectStorageTests.key(0xABCD)
  }

  @Test func `an object is a read-only file that is named by its hash, in folders for the owner alone`() async throws {
    try await store.store(try folder.file([1, 2, 3]), as: key, bytes: 3)
    let path = root.appending("ab/\(key.sha256).mp3")
    #expect(store.location(of: key) == path.string)
    #expect(try Data(contentsOf: URL(fileURLWithPath: path.string)) == Data([1, 2, 3]))
    #expect(try TemporaryFolder.mode(of: path) == 0o400)
    #expect(try TemporaryFolder.mode(of: root) == 0o700)
    #expect(try TemporaryFolder.mode(of: root.appending("ab")) == 0o700)
  }

  @Test func `a refused file leaves no file at all in the store`() async throws {
    let file = try folder.file([1, 2, 3])
    #expect(await failure { try await store.store(file, as: key, bytes: 4) } == .storageFailed)
    #expect(try TemporaryFolder.files(below: root) == [])
    #expect(folder.exists(file))
  }

  @Test func `a file that could not be moved can still be written to and stored later`() async throws {
    let file = try folder.file([1, 2, 3])
    let obstacle = root.appending(key.description)
    try FileSystemCalls.makeFolder(obstacle.appending("in the way"))
    #expect(await failure { try await store.store(file, as: key, bytes: 3) } == .storageFailed)
    #expect(try TemporaryFolder.mode(of: file) & 0o200 != 0)
    try FileManager.default.removeItem(atPath: obstacle.string)
    try await store.store(file, as: key, bytes: 3)
    #expect(try await store.contents(of: key) == [1, 2, 3])
  }

  @Test func `a file in place of a folder is a failure of storage, not a missing object`() async throws {
    _ = try folder.file([], named: "plain")
    let plain = folder.path.appending("plain")
    #expect(
      await failure {
        try FileObjectStore(
          root: plain.appending("objects"), quarantine: plain, threads: .singleton, now: { .systemNow() })
      } == .storageFailed)
    try FileManager.default.moveItem(atPath: plain.string, toPath: root.appending("ab").string)
    let file = try folder.file([1])
    for code in [
      await failure { try await store.store(file, as: key, bytes: 1) },
      await failure { try await store.open(key) },
      await failure { try await store.remove(key) },
    ] { #expect(code == .storageFailed) }
    #expect(folder.exists(file))
  }

  @Test func `what is no object is not listed`() async throws {
    try await store.store(try folder.file([1]), as: key, bytes: 1)
    let other = try ObjectStorageTests.key(0xEF)
    for name in [
      "README", "ab/README", "ab/\(key.sha256)", "ab/\(key.sha256).mp3.tmp", "ab/\(key.sha256).flac",
      "ab/\(other.sha256).mp3", "cd/\(key.sha256).wav",
    ] {
      let path = root.appending(name)
      try FileSystemCalls.makeFolder(path.removingLastComponent())
      try Data().write(to: URL(fileURLWithPath: path.string))
    }
    #expect(try await store.keys(unchangedSince: Instant(milliseconds: .max)) == [key])
  }

  @Test func `an object that became shorter while it was open is damaged`() async throws {
    try await store.store(try folder.file([1, 2, 3]), as: key, bytes: 3)
    let object = try await store.open(key)
    let path = root.appending(key.description)
    try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: path.string)
    let file = try FileDescriptor.open(path, .writeOnly)
    try file.closeAfter { try file.resize(to: 1) }
    #expect(Array(try await object.read(at: 0, limit: 3).readableBytesView) == [1])
    #expect(await failure { try await object.read(at: 1, limit: 2) } == .objectDamaged)
  }

  @Test func `a store that is opened again has what was stored`() async throws {
    try await store.store(try folder.file([7]), as: key, bytes: 1)
    let again = try FileObjectStore(
      root: root, quarantine: folder.path.appending("quarantine"), threads: .singleton, now: { .systemNow() })
    #expect(try await again.contents(of: key) == [7])
  }

  @Test func `whoever was cancelled before it was its turn is told so, and nothing is stored`() async throws {
    let file = try folder.file([1])
    let task = Task { [store, key] in
      withUnsafeCurrentTask { $0?.cancel() }
      return await failure { try await store.store(file, as: key, bytes: 1) }
    }
    #expect(await task.value == .interrupted)
    #expect(folder.exists(file))
  }

  @Test func `a lock is held by one descriptor at a time`() throws {
    let file = try folder.file([])
    let first = try FileDescriptor.open(file, .readWrite)
    let second = try FileDescriptor.open(file, .readWrite)
    defer { try? second.close() }
    #expect(try FileSystemCalls.tryLock(first))
    #expect(try !FileSystemCalls.tryLock(second))
    try first.close()
    #expect(try FileSystemCalls.tryLock(second))
  }

  @Test func `a folder that is not there has no names, and a new one is made with its parents`() throws {
    let path = folder.path.appending("a/b/c")
    #expect(try FileSystemCalls.names(in: path) == [])
    #expect(try FileSystemCalls.makeFolder(path))
    #expect(try !FileSystemCalls.makeFolder(path))
    #expect(try FileSystemCalls.names(in: folder.path.appending("a")) == ["b"])
    #expect(try FileSystemCalls.freeBytes(at: path) > 0)
  }
}
