/// Polls until a condition holds. For conditions that send no signal.
package func until(_ holds: () async throws -> Bool) async throws {
  while try await !holds() { try await Task.sleep(for: .milliseconds(2)) }
}
