/// What an answer shows of its file's version besides a strong tag.
///
/// Equal marks prove nothing, since a weak tag may stay the same and a date has whole seconds; different ones prove a
/// change.
package struct VersionMark: Sendable, Codable, Equatable {
  /// `ETag` without the sign of a weak one.
  package var tag: String?
  /// `Last-Modified` as it came.
  package var modified: String?

  package init(tag: String? = nil, modified: String? = nil) {
    self.tag = tag
    self.modified = modified
  }

  /// Whether both cannot be of the same version.
  package func contradicts(_ other: VersionMark) -> Bool {
    differs(tag, other.tag) || differs(modified, other.modified)
  }

  private func differs(_ one: String?, _ other: String?) -> Bool {
    guard let one, let other else { return false }
    return one != other
  }
}
