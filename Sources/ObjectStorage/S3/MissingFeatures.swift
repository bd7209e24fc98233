import Synchronization

/// Features that the S3 service was found to lack since the process started. Tapedeck does without them.
final class MissingFeatures: Sendable {
  private let lacksConditions = Atomic(false)
  private let lacksPartChecksums = Atomic(false)

  /// Whether the service refuses `If-None-Match`; objects are then looked up before they are written.
  var conditions: Bool {
    get { lacksConditions.load(ordering: .relaxed) }
    set { lacksConditions.store(newValue, ordering: .relaxed) }
  }

  /// Whether the service refuses the checksums of the parts in CompleteMultipartUpload.
  var partChecksums: Bool {
    get { lacksPartChecksums.load(ordering: .relaxed) }
    set { lacksPartChecksums.store(newValue, ordering: .relaxed) }
  }
}
