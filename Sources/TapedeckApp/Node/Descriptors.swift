import CXone
import Foundation
import Glibc
import Model

/// The file descriptors of this process, which connections share with files, databases and child processes.
///
/// Running out of them ends the process: the thread pools of the system library cannot start a thread then.
package enum Descriptors {
  /// The highest limit that is asked for. More is never needed, and a child process may try to close every possible
  /// descriptor.
  private static let highest: rlim_t = 1 << 20

  /// Raises the soft limit to the hard one, or as far as the system allows.
  static func raiseLimit() {
    var limit = rlimit()
    guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return }
    limit.rlim_cur = max(limit.rlim_cur, min(limit.rlim_max, highest))
    setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
  }

  /// The soft limit.
  static var limit: Int {
    var limit = rlimit()
    guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return 1024 }
    return Int(min(limit.rlim_cur, highest))
  }

  /// A sentence when the size of files is limited; nil when it is not.
  static var fileSizeNotice: String? {
    var limit = rlimit()
    guard getrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit) == 0, limit.rlim_cur != rlim_t.max else {
      return nil
    }
    return
      "This process can write files of at most \(counted(limit.rlim_cur, "byte")) ('ulimit -f'), so larger recordings and a larger catalog cannot be written. Remove the limit"
  }

  /// The descriptors that are open now.
  static var open: Int { (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count) ?? 64 }

  /// How many objects stay open after their last use.
  static var filesKeptOpen: Int { min(64, max(4, limit / 16)) }

  /// The number of connections that leaves enough descriptors for everything else; called before the server listens.
  static func connections(_ settings: Settings) -> Int {
    let downloads = settings.sources.reduce(0) { $0 + $1.parallelDownloads }
    return connections(
      wanted: settings.connections, limit: limit, open: open,
      work: filesKeptOpen + 3 * downloads + 6 * settings.conversions)
  }

  /// - Parameters:
  ///   - wanted: the configured number.
  ///   - open: the descriptors that are open now.
  ///   - work: the descriptors that downloads, conversions and cached files need.
  package static func connections(wanted: Int, limit: Int, open: Int, work: Int) -> Int {
    // Databases open more files as they are used; commands, webhooks and other short work need some too.
    let reserve = 24
    // Each connection may play another file.
    return min(wanted, max(8, (limit - open - work - reserve) / 2))
  }
}
