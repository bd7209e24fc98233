import Glibc
import Model

/// The file of an SQLite catalog at the time when it was opened.
///
/// After the file was deleted, moved or replaced, commits go to a file that no later start finds.
struct CatalogFile: Sendable {
  private struct Identity: Equatable {
    var device: UInt64
    var number: UInt64
  }

  private let path: String
  private let opened: Identity?

  init(path: String) {
    self.path = path
    opened = Self.identity(path)
  }

  var displacement: TapedeckError? {
    guard let opened, Self.identity(path) != opened else { return nil }
    return TapedeckError(
      .catalogFailed,
      "The catalog's file was deleted, moved or replaced while Tapedeck was using it, so nothing is written. Stop Tapedeck, put the file back or restore it from a backup (docs/operations.md), and start again."
    )
  }

  /// Nil when there is no file, or it cannot be examined.
  private static func identity(_ path: String) -> Identity? {
    var status = stat()
    guard stat(path, &status) == 0 else { return nil }
    return Identity(device: UInt64(status.st_dev), number: UInt64(status.st_ino))
  }
}
