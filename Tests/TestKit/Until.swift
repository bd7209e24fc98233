/// Returns when something holds that nothing tells of; looks again and again.
package func until(_ holds: () async throws -> Bool) async throws {
  while try await !holds() { try await Task.sleep(for: .milliseconds(2)) }
}
