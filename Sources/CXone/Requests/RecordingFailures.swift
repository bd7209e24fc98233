/// Distinguishes an unavailable platform from a single recording that cannot be served. Pure.
package struct RecordingFailures: Sendable {
  /// The number of recordings that must fail without a successful response in between.
  package static let limit = 3

  private var paths: Set<String> = []

  package init() {}

  /// The platform answered 503 with `Retry-After` for one recording.
  ///
  /// - Returns: whether other requests should pause too.
  package mutating func failed(_ path: String) -> Bool {
    if paths.count < Self.limit { paths.insert(path) }
    return paths.count >= Self.limit
  }

  /// The platform answered a request.
  package mutating func succeeded() { paths = [] }
}
