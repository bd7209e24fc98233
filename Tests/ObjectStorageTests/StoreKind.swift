import Crypto
import Model
import NIOCore
import NIOPosix
import ObjectStorage
import SystemPackage
import Testing

/// The implementations that the contract holds for. Another one is another case.
enum StoreKind: CaseIterable, Sendable {
  case files
  case s3

  /// Runs a test with an empty store, and a folder on the same disk for files on their way in.
  func withStore(_ body: (any ObjectStore, TemporaryFolder) async throws -> Void) async throws {
    let folder = try TemporaryFolder()
    switch self {
    case .files: try await body(try FileObjectStore(in: folder), folder)
    case .s3: try await body(try await S3Fixture().store, folder)
    }
  }
}

extension FileObjectStore {
  init(in folder: TemporaryFolder) throws {
    try self.init(
      root: folder.path.appending("objects"), quarantine: folder.path.appending("quarantine"), threads: .singleton,
      now: Instant.systemNow)
  }
}

/// The key that bytes have.
func key(of bytes: [UInt8], _ kind: ObjectKey.Kind = .mp3) throws -> ObjectKey {
  try #require(ObjectKey(sha256: hex(SHA256.hash(data: bytes)), kind: kind))
}

/// The key of nothing that is ever stored.
let anyKey = ObjectKey(sha256: "0abc" + String(repeating: "a", count: 60), kind: .mp3)!

extension ObjectStore {
  /// Stores bytes under their key.
  @discardableResult
  func keep(_ bytes: [UInt8], _ kind: ObjectKey.Kind = .mp3, by way: TemporaryFolder) async throws -> ObjectKey {
    let key = try key(of: bytes, kind)
    try await store(try way.file(bytes), as: key, bytes: Int64(bytes.count))
    return key
  }

  /// Everything in an object, read piece by piece.
  func contents(of key: ObjectKey, limit: Int = 64) async throws -> [UInt8] {
    try await open(key).contents(limit: limit)
  }

  /// Every object of every folder.
  func keys() async throws -> Set<ObjectKey> {
    var keys: Set<ObjectKey> = []
    for folder in ObjectFolder.all { keys.formUnion(try await objects(in: folder).map(\.key)) }
    return keys
  }
}

extension StoredObject {
  func contents(limit: Int = 64) async throws -> [UInt8] {
    var bytes: [UInt8] = []
    while case let piece = try await read(at: Int64(bytes.count), limit: limit), piece.readableBytes > 0 {
      bytes += piece.readableBytesView
    }
    return bytes
  }

  /// One read.
  func bytes(_ offset: Int64, _ limit: Int) async throws -> [UInt8] {
    Array(try await read(at: offset, limit: limit).readableBytesView)
  }
}

/// The error of ours that a call throws; nil when it throws nothing of ours.
func thrown(by body: () async throws -> some Any) async -> TapedeckError? {
  do {
    _ = try await body()
    return nil
  } catch { return error as? TapedeckError }
}

/// The code of what a call throws; nil when it throws nothing of ours.
func failure(of body: () async throws -> some Any) async -> TapedeckError.Code? { await thrown(by: body)?.code }
