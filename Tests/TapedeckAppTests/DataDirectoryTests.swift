import Foundation
import Glibc
import Model
import SystemPackage
import TapedeckApp
import TestKit
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
    #expect(directory.permissionWarning == nil)
    try directory.make()
    try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: directory.path.string)
    #expect((directory.permissionWarning != nil) == isOpen)
    if isOpen { #expect(directory.permissionWarning?.contains("chmod 700") == true) }
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

  /// What is at the path of the command socket.
  enum Socket: CaseIterable, Sendable {
    case missing, file, folder, abandoned, danglingLink, listening
  }

  @Test(arguments: Socket.allCases)
  func `a directory in use without a listener is reported`(state: Socket) async throws {
    try directory.make()
    let path = directory.path.appending("tapedeck.sock").string
    var listener: Int32?
    defer { if let listener { close(listener) } }
    switch state {
    case .missing: break
    case .file: try folder.write("", to: "data/tapedeck.sock")
    case .folder: try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
    case .danglingLink: try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: "absent")
    case .abandoned: close(try listen(at: path))
    case .listening: listener = try listen(at: path)
    }
    let lock = try #require(try directory.tryLock())
    if state == .listening {
      #expect(try await directory.lock(orListenerAt: path, within: .zero) == nil)
    } else {
      let error = await error { try await directory.lock(orListenerAt: path, within: .zero) }
      #expect(error?.code == .dataDirectoryInUse && error?.message.contains("restart the server") == true)
    }
    withExtendedLifetime(lock) {}
  }

  @Test func `the lock is taken when it is free, or when its holder ends while a command waits`() async throws {
    try directory.make()
    let path = directory.path.appending("tapedeck.sock").string
    #expect(try await directory.lock(orListenerAt: path, within: .zero) != nil)
    var lock = try directory.tryLock()
    #expect(lock != nil)
    var waits = 0
    let taken = try await directory.lock(orListenerAt: path, within: .seconds(3600)) {
      waits += 1
      // Its holder ends while the command waits for the third time.
      if waits == 3 { lock = nil }
    }
    #expect(taken != nil && waits == 3)
  }

  /// - Returns: the descriptor of a listening socket.
  private func listen(at path: String) throws -> Int32 {
    let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
    // The bytes of `struct sockaddr_un`.
    let address = [UInt8(AF_UNIX), 0] + Array(path.utf8) + [0]
    let bound = address.withUnsafeBytes { bytes in
      bind(descriptor, bytes.bindMemory(to: sockaddr.self).baseAddress, socklen_t(bytes.count))
    }
    try #require(bound == 0 && Glibc.listen(descriptor, 1) == 0)
    return descriptor
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

  @Test func `a key is created in a folder that no server has used`() throws {
    try FileManager.default.createDirectory(atPath: directory.path.string, withIntermediateDirectories: false)
    #expect(try directory.key("statement-key") { "first" } == "first")
  }

  @Test func `a pipe in the place of a key is an error and not a wait`() throws {
    try directory.make()
    #expect(mkfifo(directory.path.appending("keys").appending("some-key").string, 0o600) == 0)
    let error = #expect(throws: TapedeckError.self) { try directory.key("some-key") { "first" } }
    #expect(error?.code == .storageFailed)
  }
}
