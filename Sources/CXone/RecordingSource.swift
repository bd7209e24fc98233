package import Model
package import NIOCore

/// A tenant of the platform, independent of its contract: searches recordings, describes them and downloads their
/// bytes.
///
/// A call makes one attempt. Only the job retries, so failures are thrown unchanged; a call repeats requests only where
/// they belong to one attempt (one renewal of an expired token, the exchanges that resuming requires). Cancelling the
/// task ends a call promptly with `interrupted`.
package protocol RecordingSource: Sendable {
  /// The configured name of the source.
  var id: SourceID { get }

  /// The platform's current metadata of one recording.
  ///
  /// - Throws: `unknownRecording`, or what every call throws: `platformCredentialsRefused`, `platformScopeRefused`,
  ///   `platformRefused`, `platformRateLimited`, `platformUnavailable`, `platformProtocol`, `interrupted`.
  func recording(_ id: RecordingID) async throws(TapedeckError) -> PlatformRecording

  /// One page of the recordings in a period, ordered by start time and ID; `cursor` is that of the previous page.
  ///
  /// - Throws: what every call throws.
  func search(_ query: RecordingQuery, cursor: String?, pageSize: Int) async throws(TapedeckError) -> SearchPage

  /// Downloads the complete file into the sink: resumes at `sink.length` where that is safe, otherwise restarts at 0.
  ///
  /// `state` is what the previous call reported for this sink, or a new one. Every change is passed to `onState` before
  /// the bytes that it describes reach the sink, so that a download can be resumed after a crash. The result is the
  /// final state; on return all bytes are in the sink and the framing ended cleanly.
  ///
  /// - Throws: `downloadInterrupted` when the body broke off or stalled (the received bytes are in the sink),
  ///   `incompleteRecording` when responses contradict each other or themselves, `unknownRecording`, what every call
  ///   throws, and what the sink or `onState` throws.
  func download(
    _ id: RecordingID, state: DownloadState, into sink: some DownloadSink,
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

  /// Fetches a token and tries both scopes; one result per `AccessCheck.Subject`, in order. For `doctor`.
  func checkAccess() async -> [AccessCheck]
}

extension RecordingSource {
  package func admitRetry() async throws(TapedeckError) {}

  package func rateLimitStatus() async throws(TapedeckError) -> RateLimitStatus? { nil }
}

/// The cause of a failure after the platform refused a token that it had just issued. It may accept the next one.
package struct TokenRefusal: Error {}

extension TapedeckError {
  /// Whether the platform issued tokens and then refused them, in contrast to refusing the client.
  package var isTokenRefusal: Bool { cause is TokenRefusal }
}

/// One page of search results.
package struct SearchPage: Sendable, Equatable {
  package var recordings: [PlatformRecording]
  /// The rows without a usable ID, by their position in the page, counted from 1.
  package var unidentified: [UnidentifiedRow]
  /// The cursor of the next page; nil on the last one.
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

/// Whether one thing that a source requires is granted.
package struct AccessCheck: Sendable {
  package enum Subject: String, Sendable, CaseIterable {
    case token
    case readScope = "recording:read"
    case downloadScope = "recording:download"
  }

  package var subject: Subject
  /// Nil when it is granted.
  package var failure: TapedeckError?

  package init(_ subject: Subject, failure: TapedeckError? = nil) {
    self.subject = subject
    self.failure = failure
  }
}
