import Foundation
import Model
import SystemPackage
import TapedeckApp
import Testing

@Suite struct DataDirectoryTests {
  private let folder: TemporaryFolder
  private let directory: DataDirectory

  init() throws {
    folder = try TemporaryFolder()
    directory = DataDirectory(path: FilePath("\(folder.path)/data"))
  }

  @Test func `the directory is created for its owner only`() throws {
    #expect(!directory.exists)
    try directory.make()
    #expect(directory.exists && !directory.isDemo)
    let mode = try FileManager.default.attributesOfItem(atPath: directory.path.string)[.posixPermissions] as? Int
    #expect(mode == 0o700)
    try directory.markAsDemo()
    #expect(directory.isDemo)
  }

  @Test(arguments: [(0o755, true), (0o750, true), (0o701, true), (0o700, false), (0o500, false)])
  func `a folder that other users can look into is noticed`(mode: Int, isOpen: Bool) throws {
    #expect(directory.openness == nil)
    try directory.make()
    try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: directory.path.string)
    #expect((directory.openness != nil) == isOpen)
    if isOpen { #expect(directory.openness?.contains("chmod 700") == true) }
  }

  @Test func `a folder that cannot be created is a configuration error`() throws {
    let blocked = DataDirectory(path: FilePath(try folder.write("", to: "file")).appending("data"))
    let error = #expect(throws: TapedeckError.self) { try blocked.make() }
    #expect(error?.code == .configurationInvalid && error?.message.contains("TAPEDECK_DATA_DIR") == true)
  }

  @Test func `the lock is exclusive and released with its value`() throws {
    try directory.make()
    do {
      let lock = try directory.tryLock()
      #expect(lock != nil)
      #expect(try directory.tryLock() == nil)
      withExtendedLifetime(lock) {}
    }
    #expect(try directory.tryLock() != nil)
  }

  @Test(arguments: ["removed", "moved", "replaced"])
  func `the lock is exclusive without its file`(change: String) throws {
    try directory.make()
    let lock = try #require(try directory.tryLock())
    let file = directory.path.appending("lock").string
    switch change {
    case "removed": try FileManager.default.removeItem(atPath: file)
    case "moved": try FileManager.default.moveItem(atPath: file, toPath: file + ".old")
    default: try Data().write(to: URL(filePath: file), options: .atomic)
    }
    #expect(try directory.tryLock() == nil)
    #expect(try directory.tryLock() == nil)
    withExtendedLifetime(lock) {}
  }

  @Test func `a key is created once and never replaced`() throws {
    try directory.make()
    #expect(try directory.key("some-key") { "first" } == "first")
    #expect(try directory.key("some-key") { "second" } == "first")
    let file = directory.path.appending("keys").appending("some-key").string
    let mode = try FileManager.default.attributesOfItem(atPath: file)[.posixPermissions] as? Int
    #expect(mode == 0o600)
    // A folder in its place cannot be read as a file, even by root.
    try FileManager.default.removeItem(atPath: file)
    try FileManager.default.createDirectory(atPath: file, withIntermediateDirectories: false)
    let error = #expect(throws: TapedeckError.self) { try directory.key("some-key") { "third" } }
    #expect(error?.code == .storageFailed)
  }
}
