import Glibc
package import SystemPackage

/// The library that makes a launcher of FFmpeg, as it is installed.
package enum LauncherLibrary {
  private static let name = "libtapedeck-ffmpeg-launcher.so"

  /// Where it is: beside the running program, where the build puts it, or in `../lib/tapedeck`, where `make install` does.
  /// nil when it is in neither.
  package static let path: FilePath? = {
    guard let program = realpath("/proc/self/exe", nil) else { return nil }
    defer { free(program) }
    let folder = FilePath(String(cString: program)).removingLastComponent()
    let places = [folder, folder.removingLastComponent().appending("lib").appending("tapedeck")]
    return places.map { $0.appending(name) }.first { access($0.string, R_OK) == 0 }
  }()
}

/// FFmpeg and the library as they are on disk: a launcher serves as long as nobody has put in others.
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

  init(program: FilePath, library: FilePath) throws(LauncherProcess.Unfit) {
    self.program = program
    self.library = library
    do { identities = [try Identity(program), try Identity(library)] } catch {
      throw LauncherProcess.Unfit("its files cannot be looked at: \(error)")
    }
  }

  /// Whether the system would load the library into the program.
  ///
  /// A script must not be tried: the library would serve inside of its shell.
  func check() throws(LauncherProcess.Unfit) {
    // The loader takes both as separators, and knows no way to quote them.
    guard !library.string.contains(where: { $0 == " " || $0 == ":" }) else {
      throw LauncherProcess.Unfit("the path of the launcher's library has a space or a colon")
    }
    guard let head = try? head(of: program) else { throw LauncherProcess.Unfit("its program cannot be read") }
    guard head.mode & (S_ISUID | S_ISGID) == 0 else {
      throw LauncherProcess.Unfit("it is setuid, and then the system preloads nothing")
    }
    guard isLinkedAtStart(head.bytes) else {
      throw LauncherProcess.Unfit("it is a script, or linked already, and not a program with shared libraries")
    }
  }

  private func head(of path: FilePath) throws -> (mode: mode_t, bytes: [UInt8]) {
    let file = try FileDescriptor.open(path, .readOnly, options: .closeOnExec)
    return try file.closeAfter {
      var facts = stat()
      guard fstat(file.rawValue, &facts) == 0 else { throw Errno(rawValue: errno) }
      let bytes = try [UInt8](unsafeUninitializedCapacity: 4096) { buffer, count in
        count = try file.read(into: UnsafeMutableRawBufferPointer(buffer))
      }
      return (facts.st_mode, bytes)
    }
  }

  /// Whether the first bytes of a program say that the dynamic linker starts it: an ELF file of this machine's kind with a
  /// segment of type `PT_INTERP` (elf(5)).
  private func isLinkedAtStart(_ bytes: [UInt8]) -> Bool {
    let (is64Bit, ownOrder): (UInt8, UInt8) = (2, 1.littleEndian == 1 ? 1 : 2)
    guard bytes.count >= 64, bytes.starts(with: [0x7F, 0x45, 0x4C, 0x46, is64Bit, ownOrder]) else { return false }
    return bytes.withUnsafeBytes { bytes in
      let start = bytes.loadUnaligned(fromByteOffset: 32, as: UInt64.self)
      let size = UInt64(bytes.loadUnaligned(fromByteOffset: 54, as: UInt16.self))
      let count = UInt64(bytes.loadUnaligned(fromByteOffset: 56, as: UInt16.self))
      // The table follows the header in all that linkers make; the product of two 16-bit numbers fits.
      guard size >= 4, start <= 1 << 20 else { return false }
      return (0..<count).contains { index in
        let place = start + index * size
        return place + 4 <= bytes.count && bytes.loadUnaligned(fromByteOffset: Int(place), as: UInt32.self) == 3
      }
    }
  }
}
