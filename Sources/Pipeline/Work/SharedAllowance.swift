import CXone
package import Catalog
package import Model

/// The request allowance of a bucket of a source, stored in the catalog and shared by all nodes.
package struct SharedAllowance: AllowanceStore {
  private let catalog: Catalog
  private let source: SourceID
  private let bucket: RequestBucket
  private let limits: RequestLimits

  package init(catalog: Catalog, source: SourceID, bucket: RequestBucket, limits: RequestLimits) {
    self.catalog = catalog
    self.source = source
    self.bucket = bucket
    self.limits = limits
  }

  package func change<T: Sendable>(
    _ body: @escaping @Sendable (inout RequestAllowance, _ now: Instant) -> T
  ) async throws(TapedeckError) -> T {
    try await catalog.changeAllowance(of: source, bucket, limits: limits, body)
  }
}
