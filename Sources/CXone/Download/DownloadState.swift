/// What is needed to resume a download, even in another process. Stored with the job.
package struct DownloadState: Sendable, Codable, Equatable {
  /// The strong validator of the file being downloaded; never a weak one.
  package var etag: String?
  /// Weak validators that distinguish file versions where no strong one is known.
  package var validators: WeakValidators?
  /// The length of the complete file, once the platform has reported it.
  ///
  /// Nil at the end of a download whose completeness is unproven: its body ended with the connection.
  package var totalBytes: Int64?
  /// False after a response that cannot be continued; the next download then starts at 0.
  package var isResumable: Bool

  /// A download that has not started, unless values are given.
  package init(
    etag: String? = nil, validators: WeakValidators? = nil, totalBytes: Int64? = nil, isResumable: Bool = true
  ) {
    self.etag = etag
    self.validators = validators
    self.totalBytes = totalBytes
    self.isResumable = isResumable
  }
}

/// Further evidence of a response's file version besides a strong tag.
///
/// Equal values prove nothing, because a weak tag can stay the same and dates have a resolution of one second;
/// different values prove a change.
package struct WeakValidators: Sendable, Codable, Equatable {
  /// `ETag` without the prefix of a weak one.
  package var tag: String?
  /// `Last-Modified` as received.
  package var modified: String?

  package init(tag: String? = nil, modified: String? = nil) {
    self.tag = tag
    self.modified = modified
  }

  /// Whether the two cannot belong to the same version.
  package func contradicts(_ other: WeakValidators) -> Bool {
    differs(tag, other.tag) || differs(modified, other.modified)
  }

  private func differs(_ one: String?, _ other: String?) -> Bool {
    guard let one, let other else { return false }
    return one != other
  }
}
