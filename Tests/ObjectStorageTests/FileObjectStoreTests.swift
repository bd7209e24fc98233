import Foundation
import Glibc
import Model
import NIOCore
import NIOPosix
import ObjectStorage
import SystemPackage
import TestKit
import Testing

/// What files guarantee beyond the contract.
@Suite struct FileObjectStoreTests {
  @Test(arguments: [
    (Errno.noSpace, TapedeckError.Code.diskFull, "full"), (.diskQuotaExceeded, .diskFull, "full"),
    (.fileTooLarge, .storageFailed, "ulimit -f"), (.ioError, .storageFailed, "Check the disk"),
  ])
  func `an error of the file system has a code and names its cause`(
    error: Errno, code: TapedeckError.Code, words: String
  ) {
    let mapped = fileSystemError(error, "store object")
    #expect(mapped.code == code && mapped.message.contains(words))
    #expect(mapped.detail?.contains("store object") == true && mapped.cause as? Errno == error)
    #expect(fileSystemError(mapped, "another operation").detail == mapped.detail)
    #expect(fileSystemError(CancellationError(), "store object").code == .interrupted)
  }

  let folder: TemporaryFolder
  let root: FilePath
  let quarantine: FilePath
  let store: FileObjectStore
  let object: TestObject

  init() throws {
    folder = try TemporaryFolder()
    root = folder.path.appending("deep/down/objects")
    quarantine = folder.path.appending("set/aside")
    let moment = Instant(milliseconds: 1_768_478_400_123)
    store = try FileObjectStore(root: root, quarantine: quarantine, threads: .singleton, now: { moment })
    object = try TestObject([1, 2, 3])
  }

  @Test func `an object is a read-only file in folders that only the owner can access`() async throws {
    try await store.store(try folder.file([1, 2, 3]), as: object, bytes: 3)
    let path = root.appending("\(object.folder)/\(object.name.digits).mp3")
    #expect(store.location(of: object.name) == path.string)
    #expect(try Data(contentsOf: URL(fileURLWithPath: path.string)) == Data([1, 2, 3]))
    #expect(try TemporaryFolder.mode(of: path) == 0o400)
    #expect(try TemporaryFolder.mode(of: root) == 0o700)
    #expect(try TemporaryFolder.mode(of: root.appending("\(object.folder)")) == 0o700)
  }

  @Test func `a rejected file leaves no file in the store`() async throws {
    let file = try folder.file([1, 2, 3])
    #expect(await failure { try await store.store(file, as: object, bytes: 4) } == .storageFailed)
    #expect(try TemporaryFolder.files(below: root) == [])
    #expect(folder.exists(file))
  }

  @Test func `a file that could not be moved stays writable and can be stored later`() async throws {
    let file = try folder.file([1, 2, 3])
    // A folder in the place of the object that cannot be moved, because there is another one of its new name.
    let obstacle = root.appending(object.description)
    try FileSystemCalls.makeFolder(obstacle)
    let taken = root.appending("quarantined-2026-01-15T120000.123Z-\(object.name.file)")
    try FileSystemCalls.makeFolder(taken.appending("not empty"))
    #expect(await failure { try await store.store(file, as: object, bytes: 3) } == .storageFailed)
    #expect(try TemporaryFolder.mode(of: file) & 0o200 != 0)
    try FileManager.default.removeItem(atPath: obstacle.string)
    try await store.store(file, as: object, bytes: 3)
    #expect(try await store.contents(of: object) == [1, 2, 3])
  }

  @Test func `a file in place of a folder is a storage failure, not a missing object`() async throws {
    _ = try folder.file([], named: "plain")
    let plain = folder.path.appending("plain")
    #expect(
      await failure {
        try FileObjectStore(
          root: plain.appending("objects"), quarantine: quarantine, threads: .singleton, now: Instant.systemNow)
      } == .storageFailed)
    try FileManager.default.moveItem(atPath: plain.string, toPath: root.appending("\(object.folder)").string)
    let file = try folder.file([1])
    for code in [
      await failure { try await store.store(file, as: object, bytes: 1) },
      await failure { try await store.quarantine(object.name, because: "") },
      await failure { try await store.open(object.name) },
    ] { #expect(code == .storageFailed) }
    #expect(folder.exists(file))
  }

  enum Obstacle: CaseIterable { case linkToFile, linkToNothing, linkToFolder, folder, pipe }

  @Test(arguments: Obstacle.allCases)
  func `only regular files are read`(obstacle: Obstacle) async throws {
    _ = try make(obstacle)
    #expect(await failure { try await store.open(object.name) } == .objectDamaged)
    #expect(await failure { try await store.content(of: object.name) } == .objectDamaged)
  }

  @Test(arguments: Obstacle.allCases)
  func `what is in the place of an object is moved to quarantine`(obstacle: Obstacle) async throws {
    let (path, secret) = try make(obstacle)
    try await store.quarantine(object.name, because: "It is not a file.")
    #expect(!folder.exists(path) && folder.exists(secret))
    let name = "2026-01-15T120000.123Z-\(object.name.file)"
    #expect(try Set(FileSystemCalls.names(in: quarantine)) == [name, "\(name).json"])
    try await store.store(try folder.file([1, 2, 3]), as: object, bytes: 3)
    #expect(try await store.contents(of: object) == [1, 2, 3])
  }

  @Test(arguments: Obstacle.allCases)
  func `an object replaces what is in its place`(obstacle: Obstacle) async throws {
    let (_, secret) = try make(obstacle)
    if obstacle == .folder { _ = try folder.file([7], named: "deep/down/objects/\(object.description)/inside") }
    try await store.store(try folder.file([1, 2, 3]), as: object, bytes: 3)
    #expect(try await store.contents(of: object) == [1, 2, 3])
    #expect(try Data(contentsOf: URL(fileURLWithPath: secret.string)) == Data([1, 2, 3]))
    let moved = try FileSystemCalls.names(in: root).filter { $0.hasPrefix("quarantined-") }
    #expect(moved.count == (obstacle == .folder ? 1 : 0))
    for name in moved { #expect(folder.exists(root.appending(name).appending("inside"))) }
  }

  /// Makes something else than a file in the place of the object.
  private func make(_ obstacle: Obstacle) throws -> (path: FilePath, secret: FilePath) {
    let path = root.appending(object.description)
    try FileSystemCalls.makeFolder(path.removingLastComponent())
    let secret = try folder.file([1, 2, 3], named: "secret")
    switch obstacle {
    case .linkToFile: try link(path, to: secret)
    case .linkToNothing: try link(path, to: folder.path.appending("nothing"))
    case .linkToFolder: try link(path, to: root)
    case .folder: try FileSystemCalls.makeFolder(path)
    case .pipe: #expect(mkfifo(path.string, 0o600) == 0)
    }
    return (path, secret)
  }

  private func link(_ path: FilePath, to target: FilePath) throws {
    try FileManager.default.createSymbolicLink(atPath: path.string, withDestinationPath: target.string)
  }

  @Test func `other files are not listed`() async throws {
    try await store.keep([1, 2, 3], by: folder)
    let (mine, other) = (object.folder, anyName)
    for name in [
      "README", "\(mine)/README", "\(mine)/\(object.name.digits)", "\(mine)/\(object.name.digits).mp3.tmp",
      "\(mine)/\(object.name.digits).opus", "\(mine)/\(other.digits).mp3", "\(other.folder)/\(object.name.digits).wav",
    ] {
      let path = root.appending(name)
      try FileSystemCalls.makeFolder(path.removingLastComponent())
      try Data().write(to: URL(fileURLWithPath: path.string))
    }
    try FileSystemCalls.makeFolder(root.appending("\(mine)/\(object.name.digits).wav"))
    #expect(try await store.names() == [object.name])
  }

  @Test func `an open object stays readable after it was moved to quarantine`() async throws {
    try await store.keep([1, 2, 3], by: folder)
    let reader = try await store.open(object.name)
    try await store.quarantine(object.name, because: "")
    #expect(try await reader.contents() == [1, 2, 3])
  }

  @Test func `a quarantined object is a file with a note that has the reason`() async throws {
    try await store.keep([1, 2, 3], by: folder)
    try await store.quarantine(object.name, because: "Its hash is wrong.")
    let name = "2026-01-15T120000.123Z-\(object.name.file)"
    #expect(try FileSystemCalls.names(in: quarantine).sorted() == [name, "\(name).json"])
    #expect(try Data(contentsOf: URL(fileURLWithPath: quarantine.appending(name).string)) == Data([1, 2, 3]))
    let note = try Data(contentsOf: URL(fileURLWithPath: quarantine.appending("\(name).json").string))
    #expect(
      try JSONDecoder().decode([String: String].self, from: note) == [
        "object": object.description, "reason": "Its hash is wrong.", "quarantined_at": "2026-01-15T12:00:00Z",
      ])
  }

  @Test func `an object that is opened while it is moved to quarantine is not cached`() async throws {
    for _ in 0..<50 {
      try await store.keep([1, 2, 3], by: folder)
      // The second call is under way when the first has found the file.
      let opening = Task.immediate { try? await store.open(object.name) }
      let leaving = Task.immediate { try await store.quarantine(object.name, because: "") }
      _ = await opening.value
      try await leaving.value
      #expect(await failure { try await store.open(object.name) } == .objectMissing)
      try FileManager.default.removeItem(atPath: quarantine.string)
    }
  }

  @Test func `the content of an object is that of the current file, not of one that is open`() async throws {
    try await store.keep([1, 2, 3], by: folder)
    _ = try await store.open(object.name)
    let path = root.appending(object.description)
    try FileManager.default.removeItem(atPath: path.string)
    try Data([1, 2, 4]).write(to: URL(fileURLWithPath: path.string))
    let found = try await store.content(of: object.name)
    #expect(try found.hash == TestObject([1, 2, 4]).hash)
    #expect(found.bytes == 3)
  }

  @Test func `a probe leaves no file, and fails when the folder cannot be written`() async throws {
    _ = try await store.probe()
    #expect(try FileSystemCalls.names(in: root) == [])
    try FileManager.default.removeItem(atPath: root.string)
    #expect(await failure { try await store.probe() } == .storageFailed)
  }

  @Test func `an open object that is truncated is damaged`() async throws {
    try await store.store(try folder.file([1, 2, 3]), as: object, bytes: 3)
    let reader = try await store.open(object.name)
    let path = root.appending(object.description)
    try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: path.string)
    let file = try FileDescriptor.open(path, .writeOnly)
    try file.closeAfter { try file.resize(to: 1) }
    #expect(Array(try await reader.read(at: 0, limit: 3).readableBytesView) == [1])
    #expect(await failure { try await reader.read(at: 1, limit: 2) } == .objectDamaged)
  }

  @Test func `a store that is opened again has the stored objects`() async throws {
    try await store.store(try folder.file([7]), as: object, bytes: 1)
    let again = try FileObjectStore(
      root: root, quarantine: quarantine, threads: .singleton, now: Instant.systemNow)
    #expect(try await again.contents(of: object) == [7])
  }

  @Test func `only one descriptor holds a lock`() throws {
    let file = try folder.file([])
    let first = try FileDescriptor.open(file, .readWrite)
    let second = try FileDescriptor.open(file, .readWrite)
    defer { try? second.close() }
    #expect(try FileSystemCalls.tryLock(first))
    #expect(try !FileSystemCalls.tryLock(second))
    try first.close()
    #expect(try FileSystemCalls.tryLock(second))
  }

  @Test func `a missing folder has no names, and a new one is created with its parents`() throws {
    let path = folder.path.appending("a/b/c")
    #expect(try FileSystemCalls.names(in: path) == [])
    #expect(try FileSystemCalls.makeFolder(path))
    #expect(try !FileSystemCalls.makeFolder(path))
    #expect(try FileSystemCalls.names(in: folder.path.appending("a")) == ["b"])
    #expect(try FileSystemCalls.freeBytes(at: path) > 0)
  }
}
