package import Model

/// A tenant of the platform, behind whichever contract it speaks: it finds recordings, describes them and hands over bytes.
///
/// A call makes one attempt. The job is the one layer that retries, so a failure is thrown as it is; only what belongs
/// to a single attempt (one renewal of a lapsed token, the exchanges that a resumption asks for) happens inside.
/// Cancelling the task ends a call promptly with `interrupted`.
package protocol RecordingSource: Sendable {
  /// The name under which the source is configured.
  var id: SourceID { get }

  /// What the platform says about one recording now.
  ///
  /// - Throws: `unknownRecording`, or what every call throws: `platformCredentialsRefused`, `platformScopeRefused`,
  ///   `platformRefused`, `platformRateLimited`, `platformUnavailable`, `platformProtocol`, `interrupted`.
  func recording(_ id: RecordingID) async throws(TapedeckError) -> PlatformRecording

  /// One page of the recordings in a span of time, ordered by start time and then id; `cursor` is the last page's.
  ///
  /// - Throws: what every call throws.
  func search(_ query: RecordingQuery, cursor: String?, pageSize: Int) async throws(TapedeckError) -> SearchPage

  /// Brings the sink to the whole file: goes on from `sink.length` where that is safe, starts again from 0 where not.
  ///
  /// `state` is what the last call reported for this sink, or a fresh one. Every change of it is handed to `onState`
  /// before the bytes that it describes reach the sink, so that whoever keeps both can go on after a crash. The answer
  /// holds the final state; returning means that every byte is in the sink and the framing ended cleanly.
  ///
  /// - Throws: `downloadInterrupted` when the body broke or stalled (the bytes so far are in the sink),
  ///   `notAWholeRecording` when the answers contradict each other or themselves, `unknownRecording`, what every call
  ///   throws, and whatever the sink or `onState` throws.
  func download(
    _ id: RecordingID, state: DownloadState, into sink: some DownloadSink,
    onState: @escaping @Sendable (DownloadState) async throws(TapedeckError) -> Void
  ) async throws(TapedeckError) -> DownloadState

  /// Counts that a request is about to be made again after a failure. The job asks before each attempt but its first.
  ///
  /// - Throws: `retryBudgetSpent` when the share of such requests is too high: nothing is asked then. What the shared
  ///   budget throws.
  func admitRetry() async throws(TapedeckError)

  /// How much is being asked of the tenant; nil where nobody counts.
  ///
  /// - Throws: what the shared budget throws.
  func standing() async throws(TapedeckError) -> SourceStanding?

  /// Fetches a token and tries both scopes; one finding for each of `AccessCheck.Subject`, in order. For `doctor`.
  func checkAccess() async -> [AccessCheck]
}

extension RecordingSource {
  package func admitRetry() async throws(TapedeckError) {}

  package func standing() async throws(TapedeckError) -> SourceStanding? { nil }
}

/// One page of a search.
package struct SearchPage: Sendable, Equatable {
  package var recordings: [PlatformRecording]
  /// What to ask the next page with; nil on the last one.
  package var nextCursor: String?

  package init(recordings: [PlatformRecording], nextCursor: String?) {
    self.recordings = recordings
    self.nextCursor = nextCursor
  }
}

/// Whether one thing that a source needs is granted.
package struct AccessCheck: Sendable {
  package enum Subject: String, Sendable, CaseIterable {
    case token
    case readScope = "recording:read"
    case downloadScope = "recording:download"
  }

  package var subject: Subject
  /// Nil when it is.
  package var failure: TapedeckError?

  package init(_ subject: Subject, failure: TapedeckError? = nil) {
    self.subject = subject
    self.failure = failure
  }
}
