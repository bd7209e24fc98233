import Glibc
package import Model
package import SystemPackage

/// System calls that swift-system does not offer, one function each; failures are thrown as `Errno`.
package enum FileSystemCalls {
  /// Creates a folder, with its parents, that only its owner can access.
  ///
  /// - Returns: false when it already existed.
  @discardableResult
  package static func makeFolder(_ path: FilePath) throws -> Bool {
    if mkdir(path.string, 0o700) == 0 { return true }
    switch errno {
    case EEXIST:
      var status = stat()
      if stat(path.string, &status) == 0, status.st_mode & S_IFMT != S_IFDIR { throw Errno.notDirectory }
      return false
    case ENOENT:
      let parent = path.removingLastComponent()
      guard !parent.isEmpty, parent != path else { throw Errno.noSuchFileOrDirectory }
      try makeFolder(parent)
      // Once only: some file systems, such as /proc, answer ENOENT although the parent exists.
      if mkdir(path.string, 0o700) == 0 { return true }
      if errno == EEXIST { return false }
      throw Errno(rawValue: errno)
    default: throw Errno(rawValue: errno)
    }
  }

  /// `rename(2)`: replaces the target atomically.
  package static func rename(_ from: FilePath, to target: FilePath) throws {
    guard Glibc.rename(from.string, target.string) == 0 else { throw Errno(rawValue: errno) }
  }

  /// `rename(2)` within one file system.
  ///
  /// - Returns: false when the target is on another file system (EXDEV); nothing was changed.
  static func renamed(_ from: FilePath, to target: FilePath) throws -> Bool {
    do { try rename(from, to: target) } catch Errno.improperLink { return false }
    return true
  }

  /// `link(2)`: a second name for a file of the same file system.
  package static func link(_ from: FilePath, to target: FilePath) throws {
    guard Glibc.link(from.string, target.string) == 0 else { throw Errno(rawValue: errno) }
  }

  /// `unlink(2)`; succeeds when there is no file.
  package static func unlink(_ path: FilePath) throws {
    guard Glibc.unlink(path.string) == 0 || errno == ENOENT else { throw Errno(rawValue: errno) }
  }

  /// `fsync(2)`. After a failure the file must not be used: its pages may be lost even if a second call succeeds.
  package static func sync(_ descriptor: FileDescriptor) throws {
    guard fsync(descriptor.rawValue) == 0 else { throw Errno(rawValue: errno) }
  }

  /// Makes the directory entries of a folder durable.
  package static func syncFolder(_ path: FilePath) throws {
    let descriptor = try FileDescriptor.open(path, .readOnly, options: [.directory, .closeOnExec])
    try descriptor.closeAfter { try sync(descriptor) }
  }

  package static func makeReadOnly(_ descriptor: FileDescriptor) throws {
    guard fchmod(descriptor.rawValue, 0o400) == 0 else { throw Errno(rawValue: errno) }
  }

  /// The names in a folder, without `.` and `..`; empty when the folder does not exist.
  package static func names(in folder: FilePath) throws -> [String] {
    guard let stream = opendir(folder.string) else {
      if errno == ENOENT || errno == ENOTDIR { return [] }
      throw Errno(rawValue: errno)
    }
    defer { closedir(stream) }
    var names: [String] = []
    errno = 0
    while let entry = readdir(stream) {
      let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
        String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
      }
      if name != ".", name != ".." { names.append(name) }
      errno = 0
    }
    guard errno == 0 else { throw Errno(rawValue: errno) }
    return names
  }

  /// Whether there is anything of this name, such as a file, a folder or a symbolic link.
  static func exists(_ path: FilePath) throws -> Bool { try kind(of: path) != nil }

  /// Whether the name is one of a folder; false for a link to one.
  static func isFolder(_ path: FilePath) throws -> Bool { try kind(of: path) == S_IFDIR }

  /// What has the name, other than a regular file: "a folder", "a symbolic link" or "not a regular file".
  static func description(ofSpecial path: FilePath) throws -> String {
    switch try kind(of: path) {
    case S_IFDIR: "a folder"
    case S_IFLNK: "a symbolic link"
    default: "not a regular file"
    }
  }

  private static func kind(of path: FilePath) throws -> mode_t? {
    var status = stat()
    if lstat(path.string, &status) == 0 { return status.st_mode & S_IFMT }
    if errno == ENOENT { return nil }
    throw Errno(rawValue: errno)
  }

  /// The length of a regular file and when it was written; nil when there is none.
  ///
  /// Copies keep `st_mtime` and changes of the owner set `st_ctime`, so the earlier of the two counts.
  package static func file(_ path: FilePath) throws -> (bytes: Int64, changedAt: Instant)? {
    var status = stat()
    guard lstat(path.string, &status) == 0 else {
      if errno == ENOENT { return nil }
      throw Errno(rawValue: errno)
    }
    guard status.st_mode & S_IFMT == S_IFREG else { return nil }
    let times = [status.st_mtim, status.st_ctim].map { time in
      Instant(milliseconds: Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000)
    }
    return (Int64(status.st_size), min(times[0], times[1]))
  }

  /// Opens a file that only the program writes; see `RegularFile`.
  ///
  /// - Throws: `Errno`; `RegularFile.Failure.notRegular` for anything else than a file, such as a symbolic link.
  package static func openRegularFile(
    _ path: FilePath, _ mode: FileDescriptor.AccessMode = .readOnly
  ) throws -> FileDescriptor {
    do throws(RegularFile.Failure) {
      return FileDescriptor(rawValue: try RegularFile.open(path.string, mode.rawValue))
    } catch {
      if case .code(let code) = error { throw Errno(rawValue: code) }
      throw error
    }
  }

  /// Writes and syncs a new file that only its owner can access. Sync its folder to make its name durable too.
  package static func write(_ bytes: [UInt8], to path: FilePath) throws {
    let file = try FileDescriptor.open(
      path, .writeOnly, options: [.create, .exclusiveCreate, .closeOnExec], permissions: [.ownerReadWrite])
    try file.closeAfter {
      try file.writeAll(bytes)
      try sync(file)
    }
  }

  /// The bytes that an unprivileged process can still write to the file system of a path.
  package static func freeBytes(at path: FilePath) throws -> Int64 {
    var status = statvfs()
    guard statvfs(path.string, &status) == 0 else { throw Errno(rawValue: errno) }
    let (bytes, overflow) = UInt64(status.f_bavail).multipliedReportingOverflow(by: UInt64(status.f_frsize))
    return overflow ? .max : Int64(clamping: bytes)
  }

  /// Fills `space` with bytes from the page cache, without waiting for a disk (`preadv2(2)`).
  ///
  /// - Returns: false when that is not possible; use an ordinary, blocking read then.
  static func readWithoutWaiting(
    _ descriptor: FileDescriptor, at offset: Int64, into space: UnsafeMutableRawBufferPointer
  ) -> Bool {
    guard let preadv2, let base = space.baseAddress else { return false }
    var vector = iovec(iov_base: base, iov_len: space.count)
    let withoutWaiting: Int32 = 0x8  // RWF_NOWAIT
    return preadv2(descriptor.rawValue, &vector, 1, off_t(offset), withoutWaiting) == space.count
  }

  private typealias Preadv2 = @convention(c) (Int32, UnsafePointer<iovec>, Int32, off_t, Int32) -> Int
  /// Looked up by name, since Swift's Glibc module does not export it. The signature is that of preadv2(2) on 64-bit
  /// Linux.
  private static let preadv2: Preadv2? = dlsym(nil, "preadv2").map { unsafeBitCast($0, to: Preadv2.self) }

  /// Takes the exclusive lock of an open file without waiting (`flock(2)`); the kernel releases it with the process.
  ///
  /// - Returns: false when another process holds it.
  package static func tryLock(_ descriptor: FileDescriptor) throws -> Bool {
    if flock(descriptor.rawValue, LOCK_EX | LOCK_NB) == 0 { return true }
    if errno == EWOULDBLOCK { return false }
    throw Errno(rawValue: errno)
  }
}
