/// What a download must remember to go on where it stopped, in another process if need be. Kept in the job's row.
package struct DownloadState: Sendable, Codable, Equatable {
  /// The strong validator of the file that is being fetched; never a weak one.
  package var etag: String?
  /// What else tells the file's version apart, where no strong validator vouches for what is held.
  package var mark: VersionMark?
  /// The length of the whole file, once the platform has said it.
  ///
  /// Nil at the end of a download whose end nothing proves: the body went on until the connection ended.
  package var totalBytes: Int64?
  /// False after an answer that cannot be continued; the next call then starts at 0.
  package var isResumable: Bool

  /// Nothing has been fetched yet.
  package init(
    etag: String? = nil, mark: VersionMark? = nil, totalBytes: Int64? = nil, isResumable: Bool = true
  ) {
    self.etag = etag
    self.mark = mark
    self.totalBytes = totalBytes
    self.isResumable = isResumable
  }
}
