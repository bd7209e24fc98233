import Access
import Catalog
import Foundation
import HTTPTypes
import Hummingbird
import Model

/// `POST /api/v1/recordings/{id}/heard`: the player reports which passages were played.
struct HeardController {
  let catalog: Catalog
  let now: @Sendable () -> Instant

  /// Audio that was sent earlier is not what a report is about. A browser may hold what it plays for hours.
  private static let playableTime: Duration = .seconds(86_400)
  /// A report that is sent again follows the first attempt by few others.
  private static let remembered = 50

  var routes: [Route] {
    [
      .recording(
        .post, "/api/v1/recordings/{id}/heard", .api, action: .hear, log: .entry(.audioHeard),
        "The player's report of the passages that were played, in seconds from the start of the recording. It is kept in the access log as the player's statement; the server checks only whether it sent any audio of the recording to this account or token in the 24 hours before. If not, the entry says `no audio was sent`. A report with the ID (`report`) of an earlier one is not logged again; with other passages, it is refused.",
        body: .json(Report.schema), responses: [.empty(204, "The report is in the access log.")], errors: [404]
      ) { admitted in
        guard let duration = admitted.subject.parts.map(\.end).max() else { throw TapedeckError(.audioNotReady) }
        let report = try await admitted.incoming.decode(Report.self)
        let passages = try Passages(report.passages.map { ($0.from, $0.to) }, duration: duration.inSeconds)
        if try await isLogged(report, passages, admitted) { return Reply(Response(status: .noContent), .alreadyLogged) }
        var details = ["passages": passages.text, "reportedBy": "player"]
        details["report"] = report.report
        if try await !wasSent(admitted) { details["sent"] = Self.notSent }
        return Reply(
          Response(status: .noContent), .shown(count: Int64(passages.seconds.rounded()), details: details))
      }
    ]
  }

  /// What an entry and the pages say about a report of audio that was not sent.
  static let notSent = "no audio was sent"

  /// Whether the server began to send audio of the recording to this identity, on any node.
  private func wasSent(_ admitted: Admitted<RecordingSubject>) async throws(TapedeckError) -> Bool {
    var filter = LogFilter()
    filter.recording = admitted.subject.key
    filter.who = admitted.identity.id
    filter.outcome = .allowed
    filter.from = now() + Self.playableTime * -1
    for action in [LogEntry.Action.listen, .audioSent, .download] {
      filter.action = action
      if try await !catalog.logEntries(matching: filter, before: nil, limit: 1).isEmpty { return true }
    }
    return false
  }

  /// Whether the log has this report: its response may have been lost on the way to the player.
  ///
  /// - Throws: `invalidRequest` for a malformed ID, and for one of a report of other passages.
  private func isLogged(
    _ report: Report, _ passages: Passages, _ admitted: Admitted<RecordingSubject>
  ) async throws(TapedeckError) -> Bool {
    guard let id = report.report else { return false }
    guard id.wholeMatch(of: /[A-Za-z0-9\-]{1,64}/) != nil else {
      throw TapedeckError(.invalidRequest, "'report' must be 1 to 64 letters, digits or hyphens.")
    }
    var filter = LogFilter()
    filter.recording = admitted.subject.key
    filter.action = .audioHeard
    filter.who = admitted.identity.id
    let earlier = try await catalog.logEntries(matching: filter, before: nil, limit: Self.remembered)
    guard let logged = earlier.first(where: { $0.entry.details["report"] == id }) else { return false }
    let text = passages.text.shortened(toBytes: Admission.maxDetailBytes)
    guard logged.entry.details["passages"] == text else {
      throw TapedeckError(.invalidRequest, "'report' is the ID of an earlier report of other passages.")
    }
    return true
  }

  private struct Report: Decodable {
    static let schema = Schema.input(
      "HeardReport", ["passages": .list(.input("Passage", ["from": .number, "to": .number])), "report?": .string])

    struct Passage: Decodable {
      var from: Double
      var to: Double
    }

    var passages: [Passage]
    /// Identifies the report; chosen by the player.
    var report: String?
  }
}

/// Passages of a recording: sorted, without overlaps.
struct Passages: Equatable {
  /// The maximum number in one report; the player merges what it played.
  static let maximumCount = 200

  /// In seconds from the start.
  let ranges: [ClosedRange<Double>]

  /// - Parameter duration: of the recording, in seconds; a decoder may play a little more.
  /// - Throws: `invalidRequest` for passages that the recording does not have.
  init(_ passages: [(from: Double, to: Double)], duration: Double) throws(TapedeckError) {
    guard (1...Self.maximumCount).contains(passages.count) else {
      throw TapedeckError(.invalidRequest, "A report has 1 to \(Self.maximumCount) passages.")
    }
    var ranges: [ClosedRange<Double>] = []
    for (from, to) in passages.sorted(by: { $0.from < $1.from }) {
      guard from >= 0, from < to, to <= duration + 2 else {
        throw TapedeckError(.invalidRequest, "A passage must start before it ends, and must be within the recording.")
      }
      if let last = ranges.last, from <= last.upperBound {
        ranges[ranges.count - 1] = last.lowerBound...max(last.upperBound, to)
      } else {
        ranges.append(from...to)
      }
    }
    self.ranges = ranges
  }

  /// Reads the text of a log entry; nil when it is malformed.
  init?(_ text: String) {
    var ranges: [ClosedRange<Double>] = []
    for range in text.split(separator: ",") {
      let ends = range.split(separator: "-").compactMap { Double($0) }
      guard ends.count == 2, ends[0] <= ends[1] else { return nil }
      ranges.append(ends[0]...ends[1])
    }
    self.ranges = ranges
  }

  var seconds: Double { ranges.reduce(0) { $0 + $1.upperBound - $1.lowerBound } }

  /// Seconds with one decimal, such as `12.0-100.5,182.0-210.3`.
  var text: String { ranges.map { "\(tenths($0.lowerBound))-\(tenths($0.upperBound))" }.joined(separator: ",") }

  /// For people, such as `0:12–1:40, 3:02–3:30`.
  var clockText: String {
    ranges.map { "\(clock(.seconds($0.lowerBound)))–\(clock(.seconds($0.upperBound)))" }.joined(separator: ", ")
  }

  private func tenths(_ seconds: Double) -> String {
    let whole = Int((seconds * 10).rounded())
    return "\(whole / 10).\(whole % 10)"
  }
}
