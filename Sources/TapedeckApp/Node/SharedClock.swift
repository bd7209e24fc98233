import Catalog
import Model
import ServiceLifecycle
import Synchronization

/// The time of the shared database, which due times, leases and the access log use: a node whose own clock is wrong
/// acts neither too early nor too late.
///
/// Between two readings it advances with the uptime, even while the database is unreachable.
final class SharedClock: Service {
  private struct Reading {
    var now: Instant
    var uptime: Duration
  }

  private let catalog: Catalog
  private let own: SystemServices
  private let last: Mutex<Reading>
  private let interval = Duration.seconds(10)

  /// - Parameter own: the clock and sleep of this machine.
  /// - Throws: the error of the first reading.
  init(catalog: Catalog, own: SystemServices) async throws(TapedeckError) {
    self.catalog = catalog
    self.own = own
    last = Mutex(try await Self.read(catalog, own))
  }

  var system: SystemServices {
    SystemServices(now: { self.now }, uptime: own.uptime, sleep: own.sleep, random: own.random)
  }

  private var now: Instant {
    let uptime = own.uptime()
    return last.withLock { $0.now + (uptime - $0.uptime) }
  }

  func run() async throws {
    await cancelWhenGracefulShutdown {
      while (try? await self.own.sleep(self.interval)) != nil {
        guard let reading = try? await Self.read(self.catalog, self.own) else { continue }
        self.last.withLock { $0 = reading }
      }
    }
  }

  private static func read(_ catalog: Catalog, _ own: SystemServices) async throws(TapedeckError) -> Reading {
    let (now, uptime) = try await catalog.now(by: own.uptime)
    return Reading(now: now, uptime: uptime)
  }
}
