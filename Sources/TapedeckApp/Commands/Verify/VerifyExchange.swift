import Catalog
import Model
import Pipeline

/// A request to verify: the recordings named, or the next page of those selected.
struct VerifyQuestion: Codable, Sendable {
  /// Recordings as path segments; nil for those that the other properties select.
  var recordings: [String]?
  var source: String?
  /// The share of recordings in a random sample, and its seed.
  var share: Double?
  var seed: UInt64?
  /// Selects the recordings whose row ID modulo `shards` is this number.
  var shard: Int64?
  var shards: Int64?
  /// The row ID at which the previous page ended.
  var after: Int64 = 0
  /// Whether damage is repaired, or only reported.
  var repairs: Bool
  /// How long the server may work before it answers, approximately.
  var seconds: Double

  /// Whether the recording with this row ID is selected.
  func takes(_ id: Int64) -> Bool {
    if let shard, let shards, shards > 0, id % shards != shard { return false }
    guard let share else { return true }
    let number = (UInt64(bitPattern: id) &+ (seed ?? 0)) &* 0x9E37_79B9_7F4A_7C15
    return Double(StableHash.mix(number)) < share * 0x1p64
  }
}

/// What verification of a page found.
package struct VerifyAnswer: Codable, Sendable {
  var recordings = 0
  /// The recordings whose files were all read and are intact.
  var whole = 0
  var objects = 0
  var bytes: Int64 = 0
  /// How long the page took.
  var seconds = 0.0
  /// The number of archived recordings.
  var total: Int64 = 0
  var problems: [RecordingProblem] = []
  /// The row ID after which the next page starts; nil at the end.
  var next: Int64?
  /// The error that ended verification early.
  var stop: Stop?

  struct Stop: Codable, Sendable {
    var code: String
    var detail: String

    init(_ error: TapedeckError) {
      code = error.code.rawValue
      detail = error.message
    }
  }
}

/// A recording that is not intact.
package struct RecordingProblem: Codable, Sendable {
  struct File: Codable, Sendable {
    var file: String
    /// Counted from 0; nil for a file of all parts.
    var part: Int?
    var object: String
    /// `missing`, `damaged` or `unreadable`.
    var state: String
    var message: String
    var sha256: String
    var bytes: Int64
    var foundSha256: String?
    var foundBytes: Int64?
  }

  var id: String
  var source: String
  /// `damaged`, `unreadable` or `not_archived`.
  var status: String
  var files: [File]
  /// The job that repairs it.
  var jobId: Int64?
  /// `original` or `platform`.
  var repairedFrom: String?
  /// Why it cannot be repaired; nil when it is repaired, or was not to be.
  var refusal: String?

  init(_ verification: Verification) {
    id = verification.key.id.rawValue
    source = verification.key.source.rawValue
    status = verification.verdict.rawValue
    jobId = verification.repair?.jobID
    repairedFrom = verification.repair.map { $0.isFromOriginal ? "original" : "platform" }
    refusal = verification.refusal?.repairFailure
    files = verification.findings.map { finding in
      var file = File(
        file: finding.file.kind.rawValue, part: finding.file.part, object: finding.file.name.description,
        state: finding.label,
        message: finding.sentence, sha256: finding.file.content.hash.rawValue, bytes: finding.file.content.bytes)
      if case .damaged(let found) = finding.state {
        file.foundSha256 = found.hash.rawValue
        file.foundBytes = found.bytes
      }
      return file
    }
  }
}

/// A request to compare object names with the catalog, folder by folder.
struct ReconcileQuestion: Codable, Sendable {
  var shard: Int?
  var shards: Int?
  /// The number of the first folder, from 0.
  var from = 0
  var repairs: Bool
  var seconds: Double
}

/// What the comparison of object names found.
package struct ReconcileAnswer: Codable, Sendable {
  package struct Orphan: Codable, Sendable {
    var object: String
    var bytes: Int64
    var isMoved: Bool
  }

  var orphans: [Orphan] = []
  /// Files without a row that may belong to an ingest in progress.
  var young = 0
  /// Files without a row that may belong to another catalog; they are left alone.
  var foreign = 0
  var problems: [RecordingProblem] = []
  var next: Int?
}
