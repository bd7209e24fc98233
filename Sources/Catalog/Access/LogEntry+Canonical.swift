import Crypto
import Foundation
import Model

/// The two stored forms of a log entry: bytes that never change, and details that may be erased to comply with the law.
struct StoredEntry {
  /// JSON with sorted keys and no spaces (RFC 8785 for strings and integers). It has no personal data: identities are
  /// opaque IDs, and the details are represented by a salted hash.
  let canonical: [UInt8]
  let salt: [UInt8]
  /// JSON with the name, network address, user agent, request ID and further details.
  let detail: String

  init(_ entry: LogEntry, salt: [UInt8]) throws(TapedeckError) {
    do {
      let encoder = JSONEncoder()
      encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
      let detail = try encoder.encode(Detail(entry))
      let commitment = SHA256.hash(data: salt + detail)
      canonical = [UInt8](try encoder.encode(Canonical(entry, commitment: hex(commitment))))
      self.detail = String(decoding: detail, as: UTF8.self)
      self.salt = salt
    } catch { throw TapedeckError(.accessLogUnavailable, detail: "\(error)", cause: error) }
  }

  private struct Canonical: Codable {
    struct Actor: Codable {
      var id: String
      var kind: Identity.Kind
      var role: Role
    }
    struct Subject: Codable {
      var id: String
      var source: String
    }

    var action: LogEntry.Action
    var actor: Actor?
    var at: String
    var code: TapedeckError.Code?
    var count: Int64?
    var detailSHA256: String
    var outcome: LogEntry.Outcome
    var recording: Subject?
    var v = 1

    init(_ entry: LogEntry, commitment: String) {
      action = entry.action
      actor = entry.actor.map { Actor(id: $0.id, kind: $0.kind, role: $0.role) }
      at = entry.at.iso8601Milliseconds
      code = entry.code
      count = entry.count
      detailSHA256 = commitment
      outcome = entry.outcome
      recording = entry.recording.map { Subject(id: $0.id.rawValue, source: $0.source.rawValue) }
    }
  }

  private struct Detail: Codable {
    var address: String?
    var details: [String: String]?
    var name: String?
    var requestID: String?
    var userAgent: String?

    init(_ entry: LogEntry) {
      address = entry.origin?.address
      // A secret that was typed into a search field or a path must not be stored.
      details = entry.details.isEmpty ? nil : entry.details.mapValues(Redactor.shared.redactSecrets)
      name = entry.actor?.name
      requestID = entry.origin?.requestID
      userAgent = entry.origin?.userAgent.map(Redactor.shared.redactSecrets)
    }
  }

  /// Decodes an entry from both forms; without `detail`, the details are absent and the name is the ID.
  static func entry(canonical: [UInt8], detail: String?) throws(TapedeckError) -> LogEntry {
    do {
      let stored = try JSONDecoder().decode(Canonical.self, from: Data(canonical))
      let detail = try detail.map { try JSONDecoder().decode(Detail.self, from: Data($0.utf8)) }
      var recording: RecordingKey?
      if let subject = stored.recording, let source = SourceID(subject.source), let id = RecordingID(subject.id) {
        recording = RecordingKey(source: source, id: id)
      }
      guard let at = Instant(iso8601: stored.at) else { throw TapedeckError(.catalogFailed) }
      return LogEntry(
        at: at, action: stored.action, outcome: stored.outcome,
        actor: stored.actor.map {
          Identity(kind: $0.kind, id: $0.id, name: detail?.name ?? $0.id, role: $0.role)
        },
        recording: recording, count: stored.count, code: stored.code,
        origin: detail?.address.map {
          LogEntry.Origin(address: $0, userAgent: detail?.userAgent, requestID: detail?.requestID ?? "")
        },
        details: detail?.details ?? [:])
    } catch { throw TapedeckError(.catalogFailed, detail: "a log entry cannot be read: \(error)", cause: error) }
  }
}
