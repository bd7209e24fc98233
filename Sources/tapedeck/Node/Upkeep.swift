import Logging
import Model
import ServiceLifecycle

/// Writes down, every few seconds, what was only counted so far.
struct Upkeep: Service {
  let surroundings: Surroundings
  let logger: Logger
  let flush: @Sendable () async throws -> Void

  init(surroundings: Surroundings, logger: Logger, flush: @escaping @Sendable () async throws -> Void) {
    self.surroundings = surroundings
    self.logger = logger
    self.flush = flush
  }

  func run() async throws {
    await cancelWhenGracefulShutdown {
      while (try? await surroundings.sleep(.seconds(5))) != nil {
        do { try await flush() } catch {
          logger.error("cannot write down who listened", metadata: ["error": "\(error)"])
        }
      }
    }
  }
}
