import Foundation
import GRDB
package import Model

extension TapedeckError {
  private static let restore = "Stop Tapedeck and restore the catalog from a backup (docs/operations.md)."

  /// Converts an error of SQLite or GRDB.
  init(sqlite error: any Error) {
    switch error {
    case let error as TapedeckError: self = error
    case is CancellationError: self.init(.interrupted, cause: error)
    case let error as DatabaseError:
      self.init(
        error.resultCode == .SQLITE_FULL ? .diskFull : .catalogFailed, Self.message(error.resultCode),
        detail: error.description, cause: error)
    default: self.init(.catalogFailed, detail: "\(error)", cause: error)
    }
  }

  /// The error for a file in which SQLite finds damage.
  ///
  /// - Parameter finding: the first line of `PRAGMA quick_check`.
  fileprivate init(damage finding: String) {
    self.init(.catalogFailed, Self.message(.SQLITE_CORRUPT), detail: finding, cause: CatalogDamage(finding: finding))
  }

  /// Whether the file itself is damaged, so that only a restore helps.
  var saysDamaged: Bool {
    if cause is CatalogDamage { return true }
    let code = (cause as? DatabaseError)?.resultCode
    return code == .SQLITE_CORRUPT || code == .SQLITE_NOTADB
  }

  /// Nil for failures without a more specific message.
  private static func message(_ code: ResultCode) -> String? {
    switch code {
    case .SQLITE_CORRUPT: "The catalog is damaged (malformed). \(restore)"
    case .SQLITE_NOTADB: "The catalog is not an SQLite database. \(restore)"
    case .SQLITE_CANTOPEN:
      "The catalog cannot be opened. Check that it is a file, and that the user that runs Tapedeck owns it and its folder."
    case .SQLITE_PERM, .SQLITE_AUTH, .SQLITE_READONLY:
      "The catalog cannot be written (permission denied). Give it and its folder to the user that runs Tapedeck (chown)."
    case .SQLITE_IOERR:
      "The disk reported an error while the catalog was read or written. Check the disk and the system log."
    case .SQLITE_BUSY, .SQLITE_LOCKED: "Another program has locked the catalog. Close it, then try again."
    default: nil
    }
  }
}

/// What `PRAGMA quick_check` found.
private struct CatalogDamage: Error {
  var finding: String
}

/// Reads every page of an SQLite database and checks its structure.
///
/// - Throws: `catalogFailed` for the first damage.
func checkPages(_ db: any Connection) throws(TapedeckError) {
  let finding = try db.row("PRAGMA quick_check(1)")?.text("quick_check") ?? "no answer"
  guard finding == "ok" else { throw TapedeckError(damage: finding) }
}

extension SQLiteDatabase {
  /// Checks a catalog that another process may have open: its pages, and that this version supports its schema. Changes
  /// nothing.
  ///
  /// - Returns: whether there is a row for any object.
  /// - Throws: `catalogFailed`.
  @discardableResult
  package static func inspect(path: String) throws(TapedeckError) -> Bool {
    // SQLite opens a folder for reading and then reports a failing disk.
    guard (try? FileManager.default.attributesOfItem(atPath: path)[.type] as? FileAttributeType) != .typeDirectory
    else {
      throw TapedeckError(sqlite: DatabaseError(resultCode: .SQLITE_CANTOPEN))
    }
    var configuration = Configuration()
    configuration.readonly = true
    configuration.busyMode = .timeout(10)
    do {
      let connection = try DatabaseQueue(path: path, configuration: configuration)
      defer { try? connection.close() }
      return try connection.read { db in
        let db = SQLiteConnection(db: db)
        try checkPages(db)
        guard try db.row(db.dialect.table(named: "migration")) != nil else { return false }
        if try requireKnownSchema(db) == Migration.all.count { try requireWholeSchema(db) }
        return try db.knowsObjects()
      }
    } catch { throw TapedeckError(sqlite: error) }
  }
}
