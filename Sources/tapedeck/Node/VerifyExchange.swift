import Catalog
import Model
import Pipeline

/// What a command asks the running process to verify: a page of the recordings that are meant, or those that are named.
struct VerifyQuestion: Codable, Sendable {
  /// Recordings as segments of an address; nil for what the rest selects.
  var recordings: [String]?
  var source: String?
  /// The share of recordings that a sample takes, with what it is drawn by.
  var share: Double?
  var seed: UInt64?
  /// The recordings whose row's number leaves this rest when it is divided by `shards`.
  var shard: Int64?
  var shards: Int64?
  /// Where the last page ended.
  var after: Int64 = 0
  /// Whether damage is repaired or only told.
  var repairs: Bool
  /// About how long the process may work before it answers.
  var seconds: Double

  func takes(_ id: Int64) -> Bool {
    if let shard, let shards, shards > 0, id % shards != shard { return false }
    guard let share else { return true }
    return Double(mixed(UInt64(bitPattern: id) &+ (seed ?? 0))) < share * 0x1p64
  }
}

/// SplitMix64's output function: numbers that differ a little become numbers that have nothing in common.
private func mixed(_ number: UInt64) -> UInt64 {
  var z = number &* 0x9E37_79B9_7F4A_7C15
  z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
  z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
  return z ^ (z >> 31)
}

/// What was found on the way.
struct VerifyAnswer: Codable, Sendable {
  var recordings = 0
  var objects = 0
  var bytes: Int64 = 0
  /// How long it took.
  var seconds = 0.0
  /// How many recordings there are to choose from.
  var total: Int64 = 0
  var problems: [RecordingProblem] = []
  /// Where to go on; nil at the end.
  var next: Int64?
  /// Why it ended early, as a code and a sentence.
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

/// A recording that is not whole.
struct RecordingProblem: Codable, Sendable {
  struct File: Codable, Sendable {
    var file: String
    var part: Int
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
  /// `damaged`, `unreadable` or `not_archived`; what becomes of it is the command's to say.
  var status: String
  var files: [File]
  /// The job that repairs it.
  var jobId: Int64?
  /// `original` or `platform`.
  var repairedFrom: String?

  init(_ verification: Verification) {
    id = verification.key.id.rawValue
    source = verification.key.source.rawValue
    status = verification.verdict.rawValue
    jobId = verification.repair?.jobID
    repairedFrom = verification.repair.map { $0.isFromOriginal ? "original" : "platform" }
    files = verification.findings.map { finding in
      var file = File(
        file: finding.file.kind.rawValue, part: finding.file.part, object: finding.file.key, state: finding.word,
        message: finding.sentence, sha256: finding.file.sha256, bytes: finding.file.bytes)
      if case .damaged(let sha256, let bytes) = finding.state {
        file.foundSha256 = sha256
        file.foundBytes = bytes
      }
      return file
    }
  }
}

/// What a command asks about the names of objects: the folders from one on.
struct ReconcileQuestion: Codable, Sendable {
  var shard: Int?
  var shards: Int?
  /// The first folder, counted from 0.
  var from = 0
  var repairs: Bool
  var seconds: Double
}

struct ReconcileAnswer: Codable, Sendable {
  struct Stray: Codable, Sendable {
    var object: String
    var bytes: Int64
    var isMoved: Bool
  }

  var strays: [Stray] = []
  /// Files without a row that may be of an ingest that is under way.
  var young = 0
  var problems: [RecordingProblem] = []
  var next: Int?
}
