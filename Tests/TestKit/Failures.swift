package import Model

/// The `TapedeckError` that a call throws; nil when it throws none.
package func error(of body: () async throws -> some Any) async -> TapedeckError? {
  do {
    _ = try await body()
    return nil
  } catch { return error as? TapedeckError }
}

/// The code of the `TapedeckError` that a call throws; nil when it throws none.
package func failure(of body: () async throws -> some Any) async -> TapedeckError.Code? {
  await error(of: body)?.code
}
