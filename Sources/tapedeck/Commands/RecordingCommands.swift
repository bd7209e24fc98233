import ArgumentParser
import Foundation
import Model

/// The answer of `/api/v1/recordings`, as far as a table shows it.
struct ListedCall: Decodable, Sendable {
  struct File: Decodable, Sendable {
    var kind: String
    var location: String?
    var sha256: String
    var bytes: Int64
  }

  struct StepTook: Decodable, Sendable {
    var step: String
    var startedAt: String
    var seconds: Double
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
  var files: [File]?
  var steps: [StepTook]?
}

/// `tapedeck search`: what the platform has.
struct Search: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Find recordings on the platform.",
    discussion: "Times are days (2026-11-12) or moments (2026-11-12T14:00:00Z), in UTC; the end does not belong to it.")

  @OptionGroup var options: GlobalOptions
  @OptionGroup var query: PlatformQuery

  @Flag(help: "One JSON object a line.")
  var json = false

  func run() async throws {
    let span = try query.span()
    try await withOperator(options, needsPlatform: true) { connection in
      var rows = [["ID", "STARTED", "DURATION", "DIRECTION", "AGENT", "STATUS", "PRIVACY"]]
      try await query.forEachPage(span, connection) { page in
        for item in page.recordings {
          if json {
            Terminal.show(json: try JSONEncoder().encode(item))
          } else {
            rows.append([
              item.id, item.startTime ?? "", item.durationSeconds.map { "\($0) s" } ?? "", item.direction ?? "",
              item.agentName ?? item.agentId ?? "", item.status, item.privacy,
            ])
          }
        }
      }
      if !json { Terminal.show(table: rows) }
      if !json, rows.count == 1, !options.quiet { Terminal.say("The platform has no recording that fits.") }
    }
  }
}

/// Which recordings of the platform are meant.
struct PlatformQuery: ParsableArguments, Sendable {
  @Option(help: "The first day or moment.")
  var from: String?

  @Option(help: "The day or moment after the last.")
  var to: String?

  @Option(help: "outbound, inbound or internal.")
  var direction: String?

  @Option(help: "The platform's id of an agent.")
  var agent: String?

  @Option(help: "The configured source.")
  var source = "default"

  struct Span: Sendable {
    var from: Instant
    var to: Instant
  }

  func span() throws(TapedeckError) -> Span {
    guard let from, let to else { throw TapedeckError(.usage, "Give both --from and --to.") }
    let span = Span(from: try Self.moment(from, "--from"), to: try Self.moment(to, "--to"))
    guard span.from < span.to else { throw TapedeckError(.usage, "--from must be before --to.") }
    if let direction, Direction(rawValue: direction) == nil {
      throw TapedeckError(.usage, "--direction is outbound, inbound or internal.")
    }
    return span
  }

  func forEachPage(
    _ span: Span, _ connection: OperatorClient, _ body: (FoundOnPlatform) throws -> Void
  ) async throws {
    var cursor: String?
    repeat {
      let reply = try await connection.get(
        "/operator/search",
        [
          "from": span.from.iso8601, "to": span.to.iso8601, "direction": direction, "agent": agent, "source": source,
          "cursor": cursor,
        ])
      let page = try reply.decode(FoundOnPlatform.self)
      try body(page)
      cursor = page.nextCursor
    } while cursor != nil
  }

  private static func moment(_ text: String, _ name: String) throws(TapedeckError) -> Instant {
    guard let instant = Instant(iso8601: text.utf8.count == 10 ? "\(text)T00:00:00Z" : text) else {
      throw TapedeckError(.usage, "\(name) is a day such as 2026-11-12 or a moment such as 2026-11-12T14:00:00Z.")
    }
    return instant
  }
}

/// `tapedeck list`: what the catalog has.
struct List: AsyncParsableCommand {
  static let configuration = CommandConfiguration(abstract: "List the recordings of the catalog, newest call first.")

  @OptionGroup var options: GlobalOptions

  @Argument(help: "Words to look for, or an exact id.")
  var text: String?

  @Option(help: "The first day or moment.")
  var from: String?

  @Option(help: "The last day, or the moment after the last.")
  var to: String?

  @Option(help: "An agent's id or name.")
  var agent: String?

  @Option(help: "outbound, inbound or internal.")
  var direction: String?

  @Option(help: "ready, under_way, failed or known.")
  var status: String?

  @Option(help: "At most this many.")
  var limit = 100

  @Flag(help: "The server's JSON.")
  var json = false

  private struct Page: Decodable {
    var recordings: [ListedCall]
    var nextCursor: String?
  }

  func run() async throws {
    try await withOperator(options) { connection in
      let reply = try await connection.get(
        "/api/v1/recordings",
        [
          "q": text, "from": from, "to": to, "agent": agent, "direction": direction, "status": status,
          "limit": "\(limit)",
        ])
      if json { return Terminal.show(json: reply.data) }
      let page = try reply.decode(Page.self)
      var rows = [["ID", "STARTED", "DURATION", "DIRECTION", "AGENT", "STATUS", "PRIVACY"]]
      for call in page.recordings {
        rows.append([
          call.source == "default" ? call.id : "\(call.source)~\(call.id)", call.startTime ?? "",
          (call.audioSeconds.map { Int($0.rounded()) } ?? call.durationSeconds).map { "\($0) s" } ?? "",
          call.direction ?? "", call.agentName ?? call.agentId ?? "", call.status,
          call.restrictedReason ?? call.privacy,
        ])
      }
      Terminal.show(table: rows)
      if page.nextCursor != nil, !options.quiet { Terminal.say("There are more; narrow the search or raise --limit.") }
    }
  }
}

/// `tapedeck show ID`: everything about one recording.
struct Show: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show a recording: facts, files with hashes, time per step.")

  @OptionGroup var options: GlobalOptions

  @Argument(help: "The platform's id of the recording.")
  var id: String

  @Option(help: "The configured source.")
  var source = "default"

  @Flag(help: "The server's JSON.")
  var json = false

  func run() async throws {
    let key = try recordingKey(id, source: source)
    try await withOperator(options) { connection in
      let reply = try await connection.get("/api/v1/recordings/\(key.pathSegment)")
      if json { return Terminal.show(json: reply.data) }
      let call = try reply.decode(ListedCall.self)
      let facts: [(String, String?)] = [
        ("recording", call.id), ("source", call.source), ("status", call.status), ("privacy", call.privacy),
        ("started", call.startTime), ("duration", call.durationSeconds.map { "\($0) s on the platform" }),
        ("audio", call.audioSeconds.map { String(format: "%.2f s", $0) }), ("direction", call.direction),
        ("agent", [call.agentName, call.agentId].compactMap { $0 }.joined(separator: " ")),
        ("skill", call.skillName), ("campaign", call.campaignName), ("from", call.fromAddress), ("to", call.toAddress),
        ("contact", call.contactId), ("disposition", call.disposition),
        ("format", call.codec.map { "\($0), \(call.sampleRate ?? 0) Hz, \(call.channels ?? 0) channel(s)" }),
        ("archived", call.archivedAt), ("player", call.playerUrl), ("failure", call.failure), ("note", call.warning),
        ("damage", call.damage), ("verified", call.verifiedAt),
      ]
      Terminal.show(
        table: facts.compactMap { name, value in value.flatMap { $0.isEmpty ? nil : [name, $0] } })
      for file in call.files ?? [] {
        Terminal.show("\(file.kind)\n  \(file.location ?? "not kept")\n  sha256 \(file.sha256)  \(file.bytes) bytes")
      }
      if let steps = call.steps, !steps.isEmpty {
        Terminal.show("steps")
        Terminal.show(table: steps.map { ["  \($0.step)", String(format: "%9.3f s", $0.seconds), $0.startedAt] })
      }
    }
  }
}

/// The key that a command's arguments mean.
func recordingKey(_ id: String, source: String) throws(TapedeckError) -> RecordingKey {
  guard let source = SourceID(source) else { throw TapedeckError(.usage, "--source is the name of a source.") }
  guard let id = RecordingID(id) else { throw TapedeckError(.invalidRecordingID) }
  return RecordingKey(source: source, id: id)
}
