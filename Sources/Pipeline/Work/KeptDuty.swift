import Catalog
import Model

extension Catalog {
  /// Runs `body` while the lease of a duty is prolonged again and again.
  ///
  /// If the lease is lost anyway, for example because the process slept, the next write throws `leaseLost`.
  func keeping<T: Sendable>(
    _ held: TaskLease, for lease: Duration, system: SystemServices,
    _ body: @escaping @Sendable () async throws(TapedeckError) -> T
  ) async throws(TapedeckError) -> T {
    let result = await withTaskGroup(of: Result<T, TapedeckError>?.self) { group in
      group.addTask {
        do throws(TapedeckError) { return .success(try await body()) } catch { return .failure(error) }
      }
      group.addTask {
        while (try? await system.sleep(lease / 3)) != nil { try? await heartbeat([held], lease: lease) }
        return nil
      }
      var result: Result<T, TapedeckError>?
      while result == nil, let next = await group.next() { result = next }
      group.cancelAll()
      return result
    }
    guard let result else { throw TapedeckError(.interrupted) }
    return try result.get()
  }
}
