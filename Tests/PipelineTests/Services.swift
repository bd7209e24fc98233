import Logging
import ServiceLifecycle

/// Runs services beside `body` and then shuts them down gracefully, as a server does.
func withServices<Result: Sendable>(
  _ services: [any Service], _ body: @Sendable () async throws -> Result
) async throws -> Result {
  let group = ServiceGroup(configuration: .init(services: services.map { .init(service: $0) }, logger: .silent))
  return try await withThrowingTaskGroup(of: Void.self) { tasks in
    tasks.addTask { try await group.run() }
    let result: Swift.Result<Result, any Error>
    do { result = .success(try await body()) } catch { result = .failure(error) }
    await group.triggerGracefulShutdown()
    try await tasks.waitForAll()
    return try result.get()
  }
}
