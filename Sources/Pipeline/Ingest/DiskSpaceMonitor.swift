import CoreMetrics
package import Logging
import Metrics
package import Model
package import NIOPosix
import ObjectStorage
import Synchronization
package import SystemPackage

/// Decides whether new transfers may begin: not while a disk that they fill is nearly full, nor soon after one was
/// full.
///
/// A disk may be full although it reports free space (a quota, blocks reserved for root). Then a transfer fails with
/// `diskFull`, and no other begins until `retryInterval` is over. The beginning and the end of each shortage are
/// logged, not every job that waits.
package final class DiskSpaceMonitor: Sendable {
  /// A disk, identified by what is stored on it.
  package struct Disk: Sendable {
    package var holds: String
    /// The free space in bytes.
    package var freeBytes: @Sendable () throws -> Int64

    package init(holds: String, freeBytes: @escaping @Sendable () throws -> Int64) {
      self.holds = holds
      self.freeBytes = freeBytes
    }

    /// The disk that holds a folder.
    package init(holds: String, of folder: FilePath) {
      self.init(holds: holds) { try FileSystemCalls.freeBytes(at: folder) }
    }
  }

  /// A disk and its free space; nil when that could not be read.
  package typealias Finding = (disk: Disk, freeBytes: Int64?)

  private struct State {
    /// Whether the shortage was logged.
    var isClosed = false
    /// The end of the pause after a transfer found a disk full; kept until a transfer succeeds.
    var pausedUntil: Instant?
  }

  package let minimumFreeBytes: Int64
  /// How long no transfer begins after a disk was found full.
  package let retryInterval: Duration
  private let disks: [Disk]
  private let threads: NIOThreadPool
  private let system: SystemServices
  private let logger: Logger
  private let state = Mutex(State())

  package init(
    disks: [Disk], minimumFreeBytes: Int64, retryInterval: Duration = .seconds(15), threads: NIOThreadPool,
    system: SystemServices, logger: Logger
  ) {
    self.disks = disks
    self.minimumFreeBytes = minimumFreeBytes
    self.retryInterval = retryInterval
    self.threads = threads
    self.system = system
    self.logger = logger
  }

  /// How long a worker waits before it checks the free space again.
  package var checkInterval: Duration { retryInterval / 3 }

  /// Reads the free space of every disk.
  package func measure() async -> [Finding] {
    // On a separate thread, because a network disk may be slow.
    let free = try? await threads.runIfActive { [disks] in disks.map { try? $0.freeBytes() } }
    return Array(zip(disks, free ?? disks.map { _ in nil }))
  }

  /// Why no transfer may begin now, as `diskFull`; nil when one may.
  package func shortage() async -> TapedeckError? {
    let now = system.now()
    if let until = state.withLock({ $0.pausedUntil }), now < until, until - now <= retryInterval {
      return TapedeckError(.diskFull, detail: "a disk was found full")
    }
    for (disk, free) in await measure() {
      guard let free, free < minimumFreeBytes else { continue }
      close("the disk that holds the \(disk.holds) has \(free) bytes free, less than \(minimumFreeBytes)")
      return TapedeckError(.diskFull, detail: "\(free) bytes are free for the \(disk.holds)")
    }
    // After a pause only a transfer can show whether there is space.
    if state.withLock({ $0.pausedUntil == nil }) { open() }
    return nil
  }

  /// Records the failure of a transfer; codes other than `diskFull` are ignored.
  package func failed(with error: TapedeckError) {
    guard error.code == .diskFull else { return }
    let until = system.now() + retryInterval
    state.withLock { $0.pausedUntil = until }
    close(error.detail ?? error.message)
  }

  /// Records that a transfer succeeded, so no disk is full.
  package func succeeded() { state.withLock { $0.pausedUntil = nil } }

  /// Writes the free space of each disk, and whether transfers may begin, to the metrics.
  package func recordMetrics() async {
    for (disk, free) in await measure() {
      guard let free else { continue }
      Gauge(label: "tapedeck_disk_free_bytes", dimensions: [("holds", disk.holds)]).record(free)
    }
    Gauge(label: "tapedeck_admission_open").record(await shortage() == nil ? 1 : 0)
  }

  private func close(_ reason: String) {
    let changed = state.withLock { state in
      defer { state.isClosed = true }
      return !state.isClosed
    }
    guard changed else { return }
    logger.critical(
      "no new downloads begin until there is space on the disk; they resume automatically",
      metadata: ["code": "disk_full", "detail": "\(reason)"])
  }

  private func open() {
    let changed = state.withLock { state in
      defer { state.isClosed = false }
      return state.isClosed
    }
    if changed { logger.notice("there is space on the disk again; downloads resume") }
  }
}
