import Glibc
import Synchronization

/// A file with secrets to which other users of the machine have access.
package struct ExposedFile: Sendable, Equatable {
  package let path: String
  private let mode: mode_t

  /// Nil when other users have no access, or when there is no such file. The group may have access: a service reads its
  /// settings through its group.
  init?(path: String) {
    var status = stat()
    guard stat(path, &status) == 0, status.st_mode & 0o007 != 0 else { return nil }
    self.path = path
    mode = status.st_mode & 0o777
  }

  package var sentence: String {
    "\(path) holds secrets, and other users of this machine have access to it (mode \(String(mode, radix: 8))). "
      + "Run 'chmod o= \(path)'."
  }
}

/// The files of secrets that a `SettingsReader` read.
final class SecretFiles: Sendable {
  private let found = Mutex<Set<String>>([])

  var paths: Set<String> { found.withLock { $0 } }

  func add(_ path: String) { found.withLock { _ = $0.insert(path) } }
}
