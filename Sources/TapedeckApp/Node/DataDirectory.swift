import Foundation
import Glibc
package import Model
import ObjectStorage
package import SystemPackage

/// The data directory of a node, and its lock.
package struct DataDirectory: Sendable {
  package let path: FilePath

  package init(path: FilePath) { self.path = path }

  var catalog: FilePath { path.appending("catalog.sqlite") }
  var objects: FilePath { path.appending("objects") }
  var spool: FilePath { path.appending("spool") }
  var quarantine: FilePath { path.appending("quarantine") }
  var keys: FilePath { path.appending("keys") }
  /// The folders in it; a folder exists when it was needed.
  var folders: [FilePath] { [objects, spool, quarantine, keys] }
  private var lockFile: FilePath { path.appending("lock") }
  private var demoMarker: FilePath { path.appending("demo") }

  /// The path of the command socket. Socket paths are limited to 107 bytes; a longer one goes through a file descriptor
  /// of the folder.
  func socket() throws(TapedeckError) -> String {
    let direct = path.appending("tapedeck.sock").string
    if direct.utf8.count <= 100 { return direct }
    let folder = open(path.string, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard folder >= 0 else { throw TapedeckError(.dataDirectoryMissing, detail: "errno \(errno)") }
    return "/proc/self/fd/\(folder)/tapedeck.sock"
  }

  /// Whether the folder of the object store has an object.
  package var hasObjects: Bool {
    ObjectFolder.all.contains { folder in
      let names = try? FileSystemCalls.names(in: objects.appending(folder.description))
      return names?.contains { ObjectName(rawValue: "\(folder)/\($0)") != nil } == true
    }
  }

  package var hasCatalog: Bool { access(catalog.string, F_OK) == 0 }
  /// The error of a command that reads an existing catalog.
  var missingCatalog: TapedeckError {
    TapedeckError(
      .dataDirectoryMissing, "There is no catalog at \(catalog). Set TAPEDECK_DATA_DIR to the folder that holds it.")
  }
  package var exists: Bool { access(path.string, F_OK) == 0 }
  /// Whether a process has ever used it.
  var hasLockFile: Bool { access(lockFile.string, F_OK) == 0 }
  package var isDemo: Bool { access(demoMarker.string, F_OK) == 0 }

  /// A sentence when other users of the machine can list the folder or more; nil when they cannot, or there is no
  /// folder.
  package var permissionWarning: String? {
    // With the dot, the attributes are those of the folder, not those of a link to it.
    let attributes = try? FileManager.default.attributesOfItem(atPath: path.appending(".").string)
    guard let mode = (attributes?[.posixPermissions] as? NSNumber)?.intValue, mode & 0o077 != 0 else { return nil }
    return
      "Other users of this machine can read the data directory (mode \(String(mode, radix: 8))). Run 'chmod 700 \(path)'."
  }

  /// Creates missing folders, readable by their owner only.
  package func make() throws(TapedeckError) {
    do {
      try FileSystemCalls.makeFolder(path)
      try FileSystemCalls.makeFolder(keys)
    } catch {
      throw TapedeckError(
        .configurationInvalid,
        "The data directory cannot be created or written. Check TAPEDECK_DATA_DIR and the owner of the folder.",
        detail: "\(error)", cause: error)
    }
  }

  package func markAsDemo() throws(TapedeckError) { try write(Data(), to: demoMarker) }

  /// Takes the lock if it is free.
  ///
  /// - Returns: the lock, held until it is deallocated; nil when another process holds it.
  package func tryLock() throws(TapedeckError) -> DataDirectoryLock? {
    do {
      let descriptor = try SystemPackage.FileDescriptor.open(
        lockFile, .readWrite, options: [.create, .closeOnExec], permissions: [.ownerReadWrite])
      guard try FileSystemCalls.tryLock(descriptor), let folder = try lockFolder() else {
        try descriptor.close()
        return nil
      }
      return DataDirectoryLock(descriptors: [descriptor] + folder)
    } catch {
      throw TapedeckError(
        .configurationInvalid, "The data directory cannot be written. Check the owner of the folder.",
        detail: "\(error)",
        cause: error)
    }
  }

  /// Locks the folder itself, because the lock file can be removed.
  ///
  /// - Returns: nil when another process holds the lock; an empty list when the file system cannot lock folders (NFS).
  private func lockFolder() throws -> [SystemPackage.FileDescriptor]? {
    let descriptor = try SystemPackage.FileDescriptor.open(path, .readOnly, options: [.directory, .closeOnExec])
    do {
      if try FileSystemCalls.tryLock(descriptor) { return [descriptor] }
      try descriptor.close()
      return nil
    } catch {
      try descriptor.close()
      guard let error = error as? Errno,
        [.badFileDescriptor, .invalidArgument, .notSupported, .noLocks].contains(error)
      else {
        throw error
      }
      return []
    }
  }

  /// Reads the secret in a file of `keys/`; nil when it does not exist.
  package func existingKey(_ name: String) throws(TapedeckError) -> String? {
    let file = keys.appending(name)
    do {
      guard let text = try RegularFile.text(at: file.string) else {
        throw CocoaError(.fileReadInapplicableStringEncoding)
      }
      return text.trimmingCharacters(in: .whitespacesAndNewlines)
    } catch {
      // An existing secret that cannot be read must not be replaced: receivers and nodes use it.
      guard access(file.string, F_OK) != 0, errno == ENOENT || errno == ENOTDIR else {
        throw TapedeckError(
          .storageFailed, "The file 'keys/\(name)' cannot be read. Check its owner and permissions.",
          detail: "\(error)", cause: error)
      }
      return nil
    }
  }

  /// Reads the secret in a file of `keys/`; creates it with `make` when it does not exist.
  package func key(_ name: String, make: () -> String) throws(TapedeckError) -> String {
    if let value = try existingKey(name) { return value }
    let file = keys.appending(name)
    let value = make()
    // A command without a server may be the first one that uses the data directory.
    try self.make()
    try write(Data((value + "\n").utf8), to: file)
    return value
  }

  /// Writes a file completely or not at all: a truncated secret would be used from then on.
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
    } catch { throw fileSystemError(error, "\(file)") }
  }
}

/// Held while a process owns a data directory; the operating system releases it when the process ends.
package final class DataDirectoryLock: Sendable {
  private let descriptors: [SystemPackage.FileDescriptor]

  init(descriptors: [SystemPackage.FileDescriptor]) { self.descriptors = descriptors }

  deinit { for descriptor in descriptors { try? descriptor.close() } }
}
