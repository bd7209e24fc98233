import Foundation
import Glibc
import Model
import ObjectStorage
import SystemPackage

/// The folder that holds everything, and the lock that says whose it is.
struct DataDirectory: Sendable {
  let path: FilePath

  var catalog: FilePath { path.appending("catalog.sqlite") }
  var objects: FilePath { path.appending("objects") }
  var spool: FilePath { path.appending("spool") }
  var quarantine: FilePath { path.appending("quarantine") }
  var keys: FilePath { path.appending("keys") }
  private var lockFile: FilePath { path.appending("lock") }
  private var demoMark: FilePath { path.appending("demo") }

  /// Where the running process answers other commands. A path of a socket may have 107 bytes; a longer one is reached
  /// through the folder's descriptor.
  func socket() throws(TapedeckError) -> String {
    let direct = path.appending("tapedeck.sock").string
    if direct.utf8.count <= 100 { return direct }
    let folder = open(path.string, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard folder >= 0 else { throw TapedeckError(.dataDirectoryMissing, detail: "errno \(errno)") }
    return "/proc/self/fd/\(folder)/tapedeck.sock"
  }

  var exists: Bool { access(path.string, F_OK) == 0 }
  var isDemo: Bool { access(demoMark.string, F_OK) == 0 }

  /// Makes what is missing; everything is for its owner alone.
  func make() throws(TapedeckError) {
    do {
      try FileSystemCalls.makeFolder(path)
      try FileSystemCalls.makeFolder(keys)
    } catch {
      throw TapedeckError(
        .configurationInvalid, "TAPEDECK_DATA_DIR cannot be made or written. Check the path and its owner.",
        detail: "\(error)", cause: error)
    }
  }

  func markAsDemo() throws(TapedeckError) { try write(Data(), to: demoMark) }

  /// Takes the lock, if nobody has it.
  ///
  /// - Returns: what must be kept for as long as the lock is needed; nil when another process holds it.
  func tryLock() throws(TapedeckError) -> DataDirectoryLock? {
    do {
      let descriptor = try SystemPackage.FileDescriptor.open(
        lockFile, .readWrite, options: [.create, .closeOnExec], permissions: [.ownerReadWrite])
      if try FileSystemCalls.tryLock(descriptor) { return DataDirectoryLock(descriptor: descriptor) }
      try descriptor.close()
      return nil
    } catch {
      throw TapedeckError(
        .configurationInvalid, "The data directory cannot be written. Check its owner.", detail: "\(error)",
        cause: error)
    }
  }

  /// A secret of a file in `keys/`, made when it is missing.
  func key(_ name: String, make: () -> String) throws(TapedeckError) -> String {
    let file = keys.appending(name)
    do {
      return try String(contentsOfFile: file.string, encoding: .utf8).trimmingCharacters(in: .whitespacesAndNewlines)
    } catch {
      // A secret that is there but cannot be read must not be replaced: others know it.
      guard access(file.string, F_OK) != 0, errno == ENOENT else {
        throw TapedeckError(.storageFailed, "The file 'keys/\(name)' cannot be read.", detail: "\(error)", cause: error)
      }
    }
    let value = make()
    try write(Data((value + "\n").utf8), to: file)
    return value
  }

  /// Writes a file as a whole or not at all: half a secret would be taken for one for ever.
  private func write(_ data: Data, to file: FilePath) throws(TapedeckError) {
    let unfinished = FilePath(file.string + ".new")
    do {
      let descriptor = try SystemPackage.FileDescriptor.open(
        unfinished, .writeOnly, options: [.create, .truncate, .closeOnExec], permissions: [.ownerReadWrite])
      try descriptor.closeAfter {
        _ = try descriptor.writeAll(data)
        try FileSystemCalls.sync(descriptor)
      }
      try FileSystemCalls.rename(unfinished, to: file)
      try FileSystemCalls.syncFolder(file.removingLastComponent())
    } catch Errno.noSpace, Errno.diskQuotaExceeded {
      throw TapedeckError(.diskFull, detail: "\(file)")
    } catch { throw TapedeckError(.storageFailed, detail: "\(file): \(error)", cause: error) }
  }
}

/// Held while a process owns a data directory; the system drops it when the process ends, however it ends.
final class DataDirectoryLock: Sendable {
  private let descriptor: SystemPackage.FileDescriptor

  init(descriptor: SystemPackage.FileDescriptor) { self.descriptor = descriptor }

  deinit { try? descriptor.close() }
}
