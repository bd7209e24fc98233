import Catalog
import Model
import ServiceLifecycle
import Synchronization

/// The clock of the database that nodes share: due times, leases and the access log are all in its time, so a node whose
/// own clock is wrong, or is set, does nothing too early or too late.
///
/// Between two looks at the database it goes on by the uptime, also while the database is away.
final class SharedClock: Service {
  private struct Reading {
    var now: Instant
    var uptime: Duration
  }

  private let catalog: Catalog
  private let own: Surroundings
  private let last: Mutex<Reading>
  private let interval = Duration.seconds(10)

  /// - Parameter own: this machine's clock and sleep.
  /// - Throws: what the database throws: without it there is no time.
  init(catalog: Catalog, own: Surroundings) async throws(TapedeckError) {
    self.catalog = catalog
    self.own = own
    last = Mutex(try await Self.read(catalog, own))
  }

  var surroundings: Surroundings {
    Surroundings(now: { self.now }, uptime: own.uptime, sleep: own.sleep, random: own.random)
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

  private static func read(_ catalog: Catalog, _ own: Surroundings) async throws(TapedeckError) -> Reading {
    let (now, uptime) = try await catalog.now(by: own.uptime)
    return Reading(now: now, uptime: uptime)
  }
}
