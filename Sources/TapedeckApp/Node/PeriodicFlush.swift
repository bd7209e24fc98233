import Logging
import Model
import ServiceLifecycle

/// Saves counts that are kept in memory every five seconds.
struct PeriodicFlush: Service {
  let system: SystemServices
  let logger: Logger
  let flush: @Sendable () async throws -> Void

  init(system: SystemServices, logger: Logger, flush: @escaping @Sendable () async throws -> Void) {
    self.system = system
    self.logger = logger
    self.flush = flush
  }

  func run() async throws {
    await cancelWhenGracefulShutdown {
      while (try? await system.sleep(.seconds(5))) != nil {
        do { try await flush() } catch {
          // The node flushes again after a shutdown has interrupted this.
          if (error as? TapedeckError)?.code == .interrupted { return }
          logger.error("cannot save listening sessions and last uses", metadata: ["error": "\(error)"])
        }
      }
    }
  }
}
