package import Model
package import NIOCore

/// A tenant of the platform, independent of its contract: lists recordings, says where they stand and downloads their
/// bytes.
///
/// A call makes one attempt. Only the job retries, so failures are thrown unchanged; a call repeats requests only where
/// they belong to one attempt (one renewal of an expired token, the exchanges that resuming requires). Cancelling the
/// task ends a call promptly with `interrupted`.
package protocol RecordingSource: Sendable {
  /// The configured name of the source.
  var id: SourceID { get }

  /// How its contract differs from others.
  var policy: SourcePolicy { get }

  /// One page of the calls that began in a period; `bookmark` is that of the previous page. A call may have several
  /// rows, one for each of its legs, on any pages; the catalog folds them.
  ///
  /// - Throws: what every call throws: `platformCredentialsRefused`, `platformScopeRefused`, `platformRefused`,
  ///   `platformRateLimited`, `platformUnavailable`, `platformProtocol`, `interrupted`.
  func list(_ query: RecordingQuery, bookmark: String?) async throws(TapedeckError) -> ListPage

  /// One page of the calls that have changed on the platform since a moment, whenever they began. Only where
  /// `policy.listsChanges` says so.
  ///
  /// - Throws: what every call throws.
  func listChanges(since start: Instant, bookmark: String?) async throws(TapedeckError) -> ListPage

  /// Where a recording stands and which media it has: one request, and everything it returned.
  ///
  /// - Throws: `unknownRecording`, or what every call throws.
  func locate(_ id: RecordingID) async throws(TapedeckError) -> Located

  /// Downloads the complete file of a part into the sink: resumes at `sink.length` where that is safe, otherwise
  /// restarts at 0. Locates the part again by itself when its address has lapsed.
  ///
  /// `state` is what the previous call reported for this sink, or a new one. Every change is passed to `onState` before
  /// the bytes that it describes reach the sink, so that a download can be resumed after a crash. The result is the
  /// final state; on return all bytes are in the sink and the framing ended cleanly.
  ///
  /// - Throws: `downloadInterrupted` when the body broke off or stalled (the received bytes are in the sink),
  ///   `incompleteRecording` when responses contradict each other or themselves, `unknownRecording`, what every call
  ///   throws, and what the sink or `onState` throws.
  func download(
    _ part: PartLocator, state: DownloadState, into sink: some DownloadSink,
    onState: @escaping @Sendable (DownloadState) async throws(TapedeckError) -> Void
  ) async throws(TapedeckError) -> DownloadState

  /// Counts a retry. The job calls it before every attempt except the first.
  ///
  /// - Throws: `retryBudgetSpent` when the share of retries is too high; no request may be sent then. What the shared
  ///   budget throws.
  func admitRetry() async throws(TapedeckError)

  /// The request rate of the tenant; nil where requests are not counted.
  ///
  /// - Throws: what the shared budget throws.
  func rateLimitStatus() async throws(TapedeckError) -> RateLimitStatus?

  /// Checks everything that the source requires, in order, with remedies; for `doctor` and `init`.
  func checks() async -> [SourceCheck]
}

extension RecordingSource {
  package func listChanges(since start: Instant, bookmark: String?) async throws(TapedeckError) -> ListPage {
    throw TapedeckError(.internalError, detail: "the contract of source '\(id)' does not list changes")
  }

  package func admitRetry() async throws(TapedeckError) {}

  package func rateLimitStatus() async throws(TapedeckError) -> RateLimitStatus? { nil }
}

/// The cause of a failure after the platform refused a token that it had just issued. It may accept the next one.
package struct TokenRefusal: Error {}

extension TapedeckError {
  /// Whether the platform issued tokens and then refused them, in contrast to refusing the client.
  package var isTokenRefusal: Bool { cause is TokenRefusal }
}

/// One page of a list of calls.
package struct ListPage: Sendable, Equatable {
  package var recordings: [PlatformRecording]
  /// The rows without a usable ID, by their position in the page, counted from 1.
  package var unidentified: [UnidentifiedRow]
  /// The bookmark of the next page; nil on the last one.
  package var nextCursor: String?
  package var notes = ListNotes()

  package init(recordings: [PlatformRecording], unidentified: [UnidentifiedRow] = [], nextCursor: String?) {
    self.recordings = recordings
    self.unidentified = unidentified
    self.nextCursor = nextCursor
  }

  /// The number of rows of both kinds.
  package var rowCount: Int { recordings.count + unidentified.count }
  package var ids: [String] { recordings.map(\.id.rawValue) }

  /// The recordings with their positions in the page, counted from 1.
  package var located: [(position: Int, recording: PlatformRecording)] {
    let taken = Set(unidentified.map(\.position))
    let free = (1...(max(rowCount, 1))).filter { !taken.contains($0) }
    return zip(free, recordings).map { (position: $0, recording: $1) }
  }
}

/// Where a download writes its bytes: a file that grows at its end and can be truncated. One download writes at a time.
package protocol DownloadSink: Sendable {
  /// The number of bytes in the sink.
  var length: Int64 { get async }

  /// Appends bytes; an error ends the download and is thrown to its caller.
  func append(_ bytes: ByteBuffer) async throws(TapedeckError)

  /// Drops every byte from `length` on.
  func cut(to length: Int64) async throws(TapedeckError)

  /// Bytes of the sink, for comparison with bytes received again; at most 64 KiB are requested.
  func bytes(in range: Range<Int64>) async throws(TapedeckError) -> [UInt8]
}

/// The outcome of one check of a source, worded by the source.
package struct SourceCheck: Sendable {
  /// What is checked, such as `Token of source 'default'`.
  package var name: String
  /// Nil when it passed, or was not made.
  package var failure: TapedeckError?
  /// What was found, as part of a sentence; nil where passing says everything.
  package var found: String?
  /// A recording whose media can be downloaded, where the check found one.
  package var recording: RecordingID?
  /// What to do about a failure.
  package var remedy: String
  /// Whether it was not made, because an earlier one failed on which it depends.
  package var isSkipped: Bool

  package init(_ name: String, failure: TapedeckError? = nil, remedy: String, isSkipped: Bool = false) {
    self.name = name
    self.failure = failure
    self.remedy = remedy
    self.isSkipped = isSkipped
  }
}
