import Metrics

/// What verification counts; the names are listed in `docs/operations.md`.
enum VerificationMetrics {
  private static let bytes = Counter(label: "tapedeck_verified_bytes_total")

  /// - Parameter outcome: `whole`, `damaged`, `missing` or `unreadable`.
  static func record(_ outcome: String, bytes count: Int64) {
    bytes.increment(by: count)
    Counter(label: "tapedeck_verified_objects_total", dimensions: [("outcome", outcome)]).increment()
  }

  /// An object that no row refers to.
  static let strays = Counter(label: "tapedeck_stray_objects_total")
}
