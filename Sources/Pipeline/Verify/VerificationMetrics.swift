import Metrics

/// The metrics of verification and removal; `docs/operations.md` lists their names.
enum VerificationMetrics {
  private static let bytes = Counter(label: "tapedeck_verified_bytes_total")

  /// - Parameter outcome: `whole`, `damaged`, `missing` or `unreadable`.
  static func record(_ outcome: String, bytes count: Int64) {
    bytes.increment(by: count)
    Counter(label: "tapedeck_verified_objects_total", dimensions: [("outcome", outcome)]).increment()
  }

  /// Objects that no recording refers to, found by the reconciliation.
  static let orphans = Counter(label: "tapedeck_stray_objects_total")

  /// Objects that were deleted after their last reference was dropped.
  static let removed = Counter(label: "tapedeck_removed_objects_total")
}
