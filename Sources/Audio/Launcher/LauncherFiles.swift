import Glibc
import Model
package import SystemPackage

/// The installed library that turns FFmpeg into a launcher.
package enum LauncherLibrary {
  private static let name = "libtapedeck-ffmpeg-launcher.so"

  /// Its path: next to the running program, where the build puts it, or in `../lib/tapedeck`, where `make install`
  /// does. Nil when it is in neither.
  package static let path: FilePath? = {
    guard let program = realpath("/proc/self/exe", nil) else { return nil }
    defer { free(program) }
    let folder = FilePath(String(cString: program)).removingLastComponent()
    let places = [folder, folder.removingLastComponent().appending("lib").appending("tapedeck")]
    return places.map { $0.appending(name) }.first { access($0.string, R_OK) == 0 }
  }()
}

/// FFmpeg and the library as they are on disk: a launcher is valid as long as neither has been replaced.
struct LauncherFiles: Equatable {
  private struct Identity: Equatable {
    var device: UInt64
    var inode: UInt64
    var seconds: Int
    var nanoseconds: Int

    init(_ path: FilePath) throws(Errno) {
      var facts = stat()
      guard stat(path.string, &facts) == 0 else { throw Errno(rawValue: errno) }
      device = UInt64(facts.st_dev)
      inode = UInt64(facts.st_ino)
      (seconds, nanoseconds) = (facts.st_mtim.tv_sec, facts.st_mtim.tv_nsec)
    }
  }

  let program: FilePath
  let library: FilePath
  private let identities: [Identity]

  init(program: FilePath, library: FilePath) throws(LauncherProcess.Unavailable) {
    self.program = program
    self.library = library
    do { identities = [try Identity(program), try Identity(library)] } catch {
      throw LauncherProcess.Unavailable("its files cannot be read: \(error)")
    }
  }

  /// Whether the system would load the library into the program.
  ///
  /// A script must not be tried, because the library would be loaded into its shell.
  func check() throws(LauncherProcess.Unavailable) {
    // The dynamic loader treats both as separators and has no way to quote them.
    guard !library.string.contains(where: { $0 == " " || $0 == ":" }) else {
      throw LauncherProcess.Unavailable("the path of the launcher's library contains a space or a colon")
    }
    guard let head = try? head(of: program) else { throw LauncherProcess.Unavailable("its program cannot be read") }
    guard head.mode & (S_ISUID | S_ISGID) == 0 else {
      throw LauncherProcess.Unavailable("it is setuid, so the system preloads no library")
    }
    guard isLinkedAtStart(head.bytes) else {
      throw LauncherProcess.Unavailable("it is a script or a statically linked program")
    }
  }

  private func head(of path: FilePath) throws -> (mode: mode_t, bytes: [UInt8]) {
    // A program is often a symbolic link.
    let file = FileDescriptor(rawValue: try RegularFile.open(path.string, O_RDONLY, followsLinks: true))
    return try file.closeAfter {
      var facts = stat()
      guard fstat(file.rawValue, &facts) == 0 else { throw Errno(rawValue: errno) }
      let bytes = try [UInt8](unsafeUninitializedCapacity: 4096) { buffer, count in
        count = try file.read(into: UnsafeMutableRawBufferPointer(buffer))
      }
      return (facts.st_mode, bytes)
    }
  }

  /// Whether the first bytes of a program show that the dynamic linker starts it: an ELF file of this machine's kind
  /// with a segment of type `PT_INTERP` (elf(5)).
  private func isLinkedAtStart(_ bytes: [UInt8]) -> Bool {
    let (is64Bit, ownOrder): (UInt8, UInt8) = (2, 1.littleEndian == 1 ? 1 : 2)
    guard bytes.count >= 64, bytes.starts(with: [0x7F, 0x45, 0x4C, 0x46, is64Bit, ownOrder]) else { return false }
    return bytes.withUnsafeBytes { bytes in
      let start = bytes.loadUnaligned(fromByteOffset: 32, as: UInt64.self)
      let size = UInt64(bytes.loadUnaligned(fromByteOffset: 54, as: UInt16.self))
      let count = UInt64(bytes.loadUnaligned(fromByteOffset: 56, as: UInt16.self))
      // Linkers put the table after the header; the product of two 16-bit numbers fits.
      guard size >= 4, start <= 1 << 20 else { return false }
      return (0..<count).contains { index in
        let place = start + index * size
        return place + 4 <= bytes.count && bytes.loadUnaligned(fromByteOffset: Int(place), as: UInt32.self) == 3
      }
    }
  }
}
