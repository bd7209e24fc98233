import CXone
import Foundation

/// What a job's row keeps of a download, so that another process, or another machine, can go on.
struct Checkpoint: Codable {
  var state: DownloadState
  /// The kernel's boot that wrote the spool: as long as it runs, every byte that was written can be read.
  var bootID: String
  /// What survives a loss of power.
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

  /// How many bytes of a part in a spool are those that this tells of. None in another spool: what lies there is of an
  /// earlier claim, and the platform's file may have been another then.
  func trustedBytes(in spool: Spool) -> Int64 {
    guard spoolID == spool.id else { return 0 }
    return bootID == Self.currentBootID ? .max : syncedBytes
  }

  private static let currentBootID =
    (try? String(contentsOfFile: "/proc/sys/kernel/random/boot_id", encoding: .utf8)) ?? "unknown"
}
