import Synchronization

/// Counts of requests to the tenant, and the last thousand requests. For tests and demonstrations.
package final class RequestStatistics: Sendable {
  /// One request.
  package struct Entry: Sendable, Codable, Equatable {
    package var at: String
    package var endpoint: FaultRule.Endpoint
    package var recording: String?
    package var range: String?
    package var ifRange: String?
    /// The response status; nil until it is sent.
    package var status: Int?
    /// Bytes of the body passed to the connection; downloads only.
    package var bytesSent: Int
    /// The faults applied to it.
    package var faults: [FaultRule.Fault]
  }

  /// The counts of one recording.
  package struct RecordingCount: Sendable, Codable, Equatable {
    package var metadata = 0
    package var downloads = 0
    package var bytesSent = 0
  }

  /// The complete state at one moment.
  package struct Snapshot: Sendable, Codable, Equatable {
    /// Requests by endpoint.
    package var endpoints: [String: Int] = [:]
    /// Responses by status.
    package var statuses: [String: Int] = [:]
    /// Requests refused by the rate limit, excluding those refused by a fault.
    package var overLimit = 0
    package var recordings: [String: RecordingCount] = [:]
    /// Downloads whose body is currently sent.
    package var downloadsInFlight = 0
    package var peakDownloadsInFlight = 0
    /// The last requests, newest last.
    package var recent: [Entry] = []
  }

  private struct State {
    var snapshot = Snapshot()
    /// The number of the first entry in `recent`.
    var firstNumber = 0
  }

  private static let limit = 1000
  private let state = Mutex(State())

  init() {}

  /// The counts and the last requests.
  package var snapshot: Snapshot { state.withLock { $0.snapshot } }

  /// Clears everything except the number of downloads in flight.
  package func reset() {
    state.withLock { state in
      state.firstNumber += state.snapshot.recent.count
      let inFlight = state.snapshot.downloadsInFlight
      state.snapshot = Snapshot()
      state.snapshot.downloadsInFlight = inFlight
      state.snapshot.peakDownloadsInFlight = inFlight
    }
  }

  /// Counts a request and returns the number of its entry, for later updates.
  func open(_ entry: Entry, isKnown: Bool) -> Int {
    state.withLock { state in
      state.snapshot.endpoints[entry.endpoint.rawValue, default: 0] += 1
      // Unknown IDs are not counted, because any number of them could fill the memory.
      if let id = entry.recording, isKnown {
        switch entry.endpoint {
        case .metadata: state.snapshot.recordings[id, default: RecordingCount()].metadata += 1
        case .download: state.snapshot.recordings[id, default: RecordingCount()].downloads += 1
        case .token, .search: break
        }
      }
      state.snapshot.recent.append(entry)
      if state.snapshot.recent.count > RequestStatistics.limit {
        state.snapshot.recent.removeFirst()
        state.firstNumber += 1
      }
      return state.firstNumber + state.snapshot.recent.count - 1
    }
  }

  func faults(_ number: Int, _ faults: [FaultRule.Fault]) {
    change(number) { $0.faults = faults }
  }

  func answered(_ number: Int, status: Int) {
    state.withLock { $0.snapshot.statuses[String(status), default: 0] += 1 }
    change(number) { $0.status = status }
  }

  func countOverLimit() { state.withLock { $0.snapshot.overLimit += 1 } }

  func startedBody() {
    state.withLock { state in
      state.snapshot.downloadsInFlight += 1
      state.snapshot.peakDownloadsInFlight = max(
        state.snapshot.peakDownloadsInFlight, state.snapshot.downloadsInFlight)
    }
  }

  func endedBody() { state.withLock { $0.snapshot.downloadsInFlight -= 1 } }

  func sent(_ number: Int, bytes: Int, of recording: String) {
    state.withLock { $0.snapshot.recordings[recording, default: RecordingCount()].bytesSent += bytes }
    change(number) { $0.bytesSent += bytes }
  }

  private func change(_ number: Int, _ body: (inout Entry) -> Void) {
    state.withLock { state in
      let index = number - state.firstNumber
      guard state.snapshot.recent.indices.contains(index) else { return }
      body(&state.snapshot.recent[index])
    }
  }
}
