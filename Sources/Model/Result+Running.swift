extension Result where Failure == TapedeckError {
  /// The outcome of work as a value, for places that typed errors cannot be thrown through.
  package init(running work: () async throws(TapedeckError) -> Success) async {
    do {
      self = .success(try await work())
    } catch {
      self = .failure(error)
    }
  }
}
