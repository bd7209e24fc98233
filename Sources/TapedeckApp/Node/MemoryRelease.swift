import CProcess
import Model
import ServiceLifecycle

/// Returns free memory to the operating system every ten seconds.
///
/// The C library keeps the memory that a burst of requests has used, spread over several arenas, until it is asked to
/// return it.
struct MemoryRelease: Service {
  let system: SystemServices

  func run() async throws {
    await cancelWhenGracefulShutdown {
      while (try? await system.sleep(.seconds(10))) != nil { malloc_trim(0) }
    }
  }
}
