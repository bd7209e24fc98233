import Model

/// The budgets of a source: one for all requests, or one for each bucket.
struct RequestBudgets: Sendable {
  /// Of all requests that have none of their own.
  let main: RequestBudget
  private let own: [Endpoint: RequestBudget]

  init(_ main: RequestBudget, own: [Endpoint: RequestBudget] = [:]) {
    self.main = main
    self.own = own
  }

  subscript(_ endpoint: Endpoint) -> RequestBudget { own[endpoint] ?? main }

  /// Waits until a request may be sent.
  ///
  /// - Throws: what `RequestBudget.take` throws.
  func take(_ endpoint: Endpoint) async throws(TapedeckError) {
    try await self[endpoint].take(endpoint.requestClass)
  }
}
