import CMalloc
import Model
import ServiceLifecycle

/// Returns free memory to the operating system every ten seconds.
///
/// The C library keeps what a burst of requests has used, spread over the free space of several arenas, unless it is
/// asked to return it.
struct MemoryRelease: Service {
  let system: SystemServices

  func run() async throws {
    await cancelWhenGracefulShutdown {
      while (try? await system.sleep(.seconds(10))) != nil { malloc_trim(0) }
    }
  }
}
