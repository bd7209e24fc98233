import Model
import NIOPosix
import ObjectStorage
import Synchronization
import SystemPackage

/// Finds folders in which no file can be written, such as those of a disk that is mounted read-only.
final class WriteProbe: Sendable {
  /// A monitor may ask often, and each attempt waits for the disk.
  private static let interval: Duration = .seconds(15)

  private static let prefix = ".probe"

  private let folders: [FilePath]
  private let uptime: @Sendable () -> Duration
  private let last = Mutex<(at: Duration, problems: [String])?>(nil)

  /// Removes the files of attempts that a crash interrupted.
  init(folders: [FilePath], uptime: @escaping @Sendable () -> Duration) {
    self.folders = folders
    self.uptime = uptime
    for folder in folders {
      for name in (try? FileSystemCalls.names(in: folder)) ?? [] where name.hasPrefix("\(Self.prefix)_") {
        try? FileSystemCalls.unlink(folder.appending(name))
      }
    }
  }

  /// A sentence for each folder; the result of the last attempt when that was less than 15 seconds ago, or when
  /// this one is cancelled.
  func problems() async -> [String] {
    let now = uptime()
    let last = last.withLock { $0 }
    if let last, now - last.at < Self.interval { return last.problems }
    let found = try? await NIOThreadPool.singleton.runIfActive { [folders] in
      folders.compactMap { folder -> String? in
        do throws(TapedeckError) {
          try Self.tryToWrite(in: folder)
          return nil
        } catch { return error.message }
      }
    }
    // A cancelled attempt has no result.
    guard let found else { return last?.problems ?? [] }
    self.last.withLock { $0 = (now, found) }
    return found
  }

  /// Writes and syncs a file and removes it: permission bits do not show quotas, read-only mounts and failing disks.
  ///
  /// - Throws: `diskFull`, `storageFailed`.
  static func tryToWrite(in folder: FilePath) throws(TapedeckError) {
    let file = folder.appending(makeOpaqueID(prefix))
    do {
      defer { try? FileSystemCalls.unlink(file) }
      try FileSystemCalls.write([1], to: file)
    } catch Errno.noSpace, Errno.diskQuotaExceeded {
      throw TapedeckError(.diskFull, "\(folder) is full, or the quota is used up.")
    } catch Errno.fileTooLarge {
      throw .fileTooLarge("\(folder)", cause: Errno.fileTooLarge)
    } catch {
      throw TapedeckError(.storageFailed, "No file can be written in \(folder): \(error).", cause: error)
    }
  }
}
