import Foundation
import Model

/// The response of `/api/v1/recordings`.
package struct RecordingListing: Listing {
  var recordings: [ListedRecording]
  package var nextCursor: String?

  package static var emptyTable: Table {
    Table(
      ["ID", "STARTED", "DURATION", "DIRECTION", "AGENT", "STATUS", "PRIVACY"],
      optional: ["DIRECTION", "PRIVACY", "DURATION", "AGENT"])
  }
  package static var emptyText: String { "No recordings match." }

  package func fill(_ table: inout Table) {
    for recording in recordings {
      let seconds = recording.audioSeconds.map { Int($0.rounded()) } ?? recording.durationSeconds
      table.add([
        qualifiedID(recording.id, source: recording.source), recording.startTime ?? "",
        seconds.map(clock) ?? "", recording.direction ?? "", recording.agentName ?? recording.agentId ?? "",
        recording.status + (recording.missingParts == nil ? "" : ", partial"), recording.restrictedReason ?? recording.privacy,
      ])
    }
  }
}

/// A recording as the API describes it.
package struct ListedRecording: Decodable, Sendable {
  struct File: Decodable, Sendable {
    var kind: String
    var location: String?
    var sha256: String
    var bytes: Int64
  }

  struct MissingPart: Decodable, Sendable {
    var part: Int
  }

  struct Part: Decodable, Sendable {
    var part: Int
    var files: [File]
  }

  var id: String
  var source: String
  var status: String
  var privacy: String
  var restrictedReason: String?
  var startTime: String?
  var durationSeconds: Int?
  var audioSeconds: Double?
  var direction: String?
  var agentId: String?
  var agentName: String?
  var skillName: String?
  var campaignName: String?
  var fromAddress: String?
  var toAddress: String?
  var contactId: String?
  var disposition: String?
  var archivedAt: String?
  var playerUrl: String?
  var failure: String?
  var warning: String?
  var damage: String?
  var verifiedAt: String?
  var codec: String?
  var channels: Int?
  var sampleRate: Int?
  /// The parts for which the platform has no media.
  var missingParts: [MissingPart]?
  var parts: [Part]?
  var files: [File]?
  var steps: [StepTime]?

  /// The facts, the files and the steps, as `tapedeck show` prints them.
  package var lines: [String] {
    let facts = Table(facts: [
      ("recording", id), ("source", source), ("status", status), ("privacy", privacy), ("started", startTime),
      ("duration", durationSeconds.map { "\(clock($0)) on the platform" }),
      ("audio", audioSeconds.map { "\(clock(Int($0.rounded()))) (\(String(format: "%.2f", $0)) s)" }),
      ("direction", direction),
      ("agent", [agentName, agentId].compactMap { $0 }.joined(separator: " ")),
      ("skill", skillName), ("campaign", campaignName), ("from", fromAddress), ("to", toAddress),
      ("contact", contactId), ("disposition", disposition),
      ("format", codec.map { "\($0), \(grouped(sampleRate ?? 0)) Hz, \(counted(channels ?? 0, "channel"))" }),
      ("archived", archivedAt), ("player", playerUrl), ("failure", failure), ("warning", warning),
      ("damage", damage), ("verified", verifiedAt),
      ("missing parts", missingParts.map { parts in parts.map { "\($0.part)" }.joined(separator: ", ") }),
    ])
    var files = Self.lines(files ?? [], suffix: "")
    if let parts, parts.count > 1 {
      files += parts.flatMap { Self.lines($0.files, suffix: " of part \($0.part)") }
    }
    return facts.lines + files + StepTime.lines(steps ?? [])
  }

  private static func lines(_ files: [File], suffix: String) -> [String] {
    files.flatMap { file in
      [
        "\(file.kind)\(suffix)", "  \(file.location ?? "not kept")",
        "  sha256 \(file.sha256)  \(counted(file.bytes, "byte"))",
      ]
    }
  }
}

/// How long one step of an ingest took.
struct StepTime: Decodable, Sendable {
  var step: String
  var startedAt: String
  var seconds: Double

  static func lines(_ steps: [StepTime]) -> [String] {
    guard !steps.isEmpty else { return [] }
    return ["steps"]
      + Table(rows: steps.map { ["  \($0.step)", String(format: "%9.3f s", $0.seconds), $0.startedAt] }).lines
  }
}

/// The ID of a recording, with its source unless that is the default one.
func qualifiedID(_ id: String, source: String) -> String {
  source == SourceID.default.rawValue ? id : "\(source)~\(id)"
}
