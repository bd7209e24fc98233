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
  let quarantine: FilePath
  let store: FileObjectStore
  let key: ObjectKey

  init() throws {
    folder = try TemporaryFolder()
    root = folder.path.appending("deep/down/objects")
    quarantine = folder.path.appending("set/aside")
    let moment = Instant(milliseconds: 1_768_478_400_123)
    store = try FileObjectStore(root: root, quarantine: quarantine, threads: .singleton, now: { moment })
    key = try ObjectStorageTests.key(of: [1, 2, 3])
  }

  @Test func `an object is a read-only file that is named by its hash, in folders for the owner alone`() async throws {
    try await store.store(try folder.file([1, 2, 3]), as: key, bytes: 3)
    let path = root.appending("\(key.folder)/\(key.sha256).mp3")
    #expect(store.location(of: key) == path.string)
    #expect(try Data(contentsOf: URL(fileURLWithPath: path.string)) == Data([1, 2, 3]))
    #expect(try TemporaryFolder.mode(of: path) == 0o400)
    #expect(try TemporaryFolder.mode(of: root) == 0o700)
    #expect(try TemporaryFolder.mode(of: root.appending("\(key.folder)")) == 0o700)
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
          root: plain.appending("objects"), quarantine: quarantine, threads: .singleton, now: Instant.systemNow)
      } == .storageFailed)
    try FileManager.default.moveItem(atPath: plain.string, toPath: root.appending("\(key.folder)").string)
    let file = try folder.file([1])
    for code in [
      await failure { try await store.store(file, as: key, bytes: 1) },
      await failure { try await store.quarantine(key, because: "") },
      await failure { try await store.open(key) },
    ] { #expect(code == .storageFailed) }
    #expect(folder.exists(file))
  }

  @Test func `what is no object is not listed`() async throws {
    try await store.keep([1, 2, 3], by: folder)
    let (mine, other) = (key.folder, anyKey)
    for name in [
      "README", "\(mine)/README", "\(mine)/\(key.sha256)", "\(mine)/\(key.sha256).mp3.tmp",
      "\(mine)/\(key.sha256).flac", "\(mine)/\(other.sha256).mp3", "\(other.folder)/\(key.sha256).wav",
    ] {
      let path = root.appending(name)
      try FileSystemCalls.makeFolder(path.removingLastComponent())
      try Data().write(to: URL(fileURLWithPath: path.string))
    }
    try FileSystemCalls.makeFolder(root.appending("\(mine)/\(key.sha256).wav"))
    #expect(try await store.keys() == [key])
  }

  @Test func `an object that is set aside stays readable for whoever has it open`() async throws {
    try await store.keep([1, 2, 3], by: folder)
    let object = try await store.open(key)
    try await store.quarantine(key, because: "")
    #expect(try await object.contents() == [1, 2, 3])
  }

  @Test func `an object in quarantine is a file with a note beside it that says why`() async throws {
    try await store.keep([1, 2, 3], by: folder)
    try await store.quarantine(key, because: "Its hash is not its name.")
    let name = "2026-01-15T120000.123Z-\(key.sha256).mp3"
    #expect(try FileSystemCalls.names(in: quarantine).sorted() == [name, "\(name).json"])
    #expect(try Data(contentsOf: URL(fileURLWithPath: quarantine.appending(name).string)) == Data([1, 2, 3]))
    let note = try Data(contentsOf: URL(fileURLWithPath: quarantine.appending("\(name).json").string))
    #expect(
      try JSONDecoder().decode([String: String].self, from: note) == [
        "key": key.description, "reason": "Its hash is not its name.", "quarantined_at": "2026-01-15T12:00:00Z",
      ])
  }

  @Test func `an object that is opened while it is set aside is not remembered`() async throws {
    for _ in 0..<50 {
      try await store.keep([1, 2, 3], by: folder)
      // The second is in its middle when the first has found the file.
      let opening = Task.immediate { try? await store.open(key) }
      let leaving = Task.immediate { try await store.quarantine(key, because: "") }
      _ = await opening.value
      try await leaving.value
      #expect(await failure { try await store.open(key) } == .objectMissing)
      try FileManager.default.removeItem(atPath: quarantine.string)
    }
  }

  @Test func `the hash of an object is that of the file as it is now, not of one that is held open`() async throws {
    try await store.keep([1, 2, 3], by: folder)
    _ = try await store.open(key)
    let path = root.appending(key.description)
    try FileManager.default.removeItem(atPath: path.string)
    try Data([1, 2, 4]).write(to: URL(fileURLWithPath: path.string))
    let found = try await store.sha256(of: key)
    #expect(try found.sha256 == ObjectStorageTests.key(of: [1, 2, 4]).sha256)
    #expect(found.bytes == 3)
  }

  @Test func `a probe leaves nothing, and says when the archive cannot be written`() async throws {
    try await store.probe()
    #expect(try FileSystemCalls.names(in: root) == [])
    try FileManager.default.removeItem(atPath: root.string)
    #expect(await failure { try await store.probe() } == .storageFailed)
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
      root: root, quarantine: quarantine, threads: .singleton, now: Instant.systemNow)
    #expect(try await again.contents(of: key) == [7])
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
