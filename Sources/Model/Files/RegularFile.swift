package import Foundation
import Glibc

/// Opens files whose names other processes can give to something else: opening a pipe would wait for its writer, a
/// symbolic link could lead to any file, and a device could have no end.
package enum RegularFile {
  /// Why a file was not opened.
  package enum Failure: Error, Equatable {
    /// An error of a system call.
    case code(Int32)
    case notRegular
  }

  /// Opens a regular file without waiting.
  ///
  /// - Parameters:
  ///   - flags: those of `open(2)`, such as `O_RDONLY`.
  ///   - followsLinks: for files that operators may place elsewhere; false for those that only the program writes.
  /// - Returns: the descriptor, which the caller closes.
  package static func open(_ path: String, _ flags: Int32, followsLinks: Bool = false) throws(Failure) -> Int32 {
    let all = flags | O_CLOEXEC | O_NONBLOCK | (followsLinks ? 0 : O_NOFOLLOW)
    let descriptor = Glibc.open(path, all)
    guard descriptor >= 0 else {
      // A symbolic link, a socket or pipe without a reader, a folder.
      throw [ELOOP, ENXIO, EISDIR].contains(errno) ? .notRegular : .code(errno)
    }
    var status = stat()
    let isKnown = fstat(descriptor, &status) == 0
    guard isKnown, status.st_mode & S_IFMT == S_IFREG else {
      let failure = isKnown ? Failure.notRegular : .code(errno)
      close(descriptor)
      throw failure
    }
    return descriptor
  }

  /// The content of a file that an operator placed; symbolic links are followed.
  package static func bytes(at path: String) throws -> Data {
    let file = FileHandle(fileDescriptor: try open(path, O_RDONLY, followsLinks: true), closeOnDealloc: true)
    return try file.readToEnd() ?? Data()
  }

  /// The content of a file that an operator placed; nil when it is not UTF-8.
  package static func text(at path: String) throws -> String? { String(data: try bytes(at: path), encoding: .utf8) }
}

extension RegularFile.Failure: CustomStringConvertible {
  package var description: String {
    switch self {
    case .code(let code): String(cString: strerror(code))
    case .notRegular: "it is not a regular file"
    }
  }
}
