import CXone
import Foundation

/// The state of a download in the job's row, from which another process or machine can resume.
struct Checkpoint: Codable {
  var state: DownloadState
  /// The kernel boot in which the spool was written. Until the next boot, every written byte can be read.
  var bootID: String
  /// The number of bytes that survive a loss of power.
  var syncedBytes: Int64
  /// The spool folder that holds the bytes. Nil when it was not recorded; it matches no folder.
  var spoolID: String?

  init(state: DownloadState, syncedBytes: Int64, spool: Spool) {
    self.state = state
    self.syncedBytes = syncedBytes
    spoolID = spool.id
    bootID = Self.currentBootID
  }

  init?(_ json: String?) {
    guard let json, let value = try? JSONDecoder().decode(Self.self, from: Data(json.utf8)) else { return nil }
    self = value
  }

  var json: String? { (try? JSONEncoder().encode(self)).map { String(decoding: $0, as: UTF8.self) } }

  /// The number of bytes of the spool file that belong to this download. Zero for another spool: its file is from an
  /// earlier claim, and the platform's file may have changed since.
  func trustedBytes(in spool: Spool) -> Int64 {
    guard spoolID == spool.id else { return 0 }
    return bootID == Self.currentBootID ? .max : syncedBytes
  }

  private static let currentBootID =
    (try? String(contentsOfFile: "/proc/sys/kernel/random/boot_id", encoding: .utf8)) ?? "unknown"
}
