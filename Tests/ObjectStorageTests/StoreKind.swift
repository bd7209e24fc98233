import Model
import NIOCore
import NIOPosix
import ObjectStorage
import SystemPackage
import Testing

/// The implementations that the contract holds for. Another one is another case.
enum StoreKind: CaseIterable, Sendable {
  case files

  /// Runs a test with an empty store, and a folder on the same disk for files on their way in.
  func withStore(_ body: (any ObjectStore, TemporaryFolder) async throws -> Void) async throws {
    let folder = try TemporaryFolder()
    switch self {
    case .files:
      try await body(
        FileObjectStore(
          root: folder.path.appending("objects"), quarantine: folder.path.appending("quarantine"), threads: .singleton,
          now: { .systemNow() }), folder)
    }
  }
}

/// A key for tests that need only one.
let anyKey = ObjectKey(sha256: "0abc" + String(repeating: "a", count: 60), kind: .mp3)!

/// A key that differs from others in its first and its last digits.
func key(_ number: Int, _ kind: ObjectKey.Kind = .mp3) throws -> ObjectKey {
  let digits = String(number, radix: 16)
  let padded = String(repeating: "0", count: 4 - digits.count) + digits
  return try #require(ObjectKey(sha256: padded + String(repeating: "a", count: 56) + padded, kind: kind))
}

extension ObjectStore {
  /// Every object that was stored before then.
  func keys(unchangedSince moment: Instant) async throws -> [ObjectKey] {
    var keys: [ObjectKey] = []
    for folder in ObjectFolder.all {
      keys += try await objects(in: folder).filter { $0.changedAt < moment }.map(\.key)
    }
    return keys
  }

  /// Everything in an object, read piece by piece.
  func contents(of key: ObjectKey, limit: Int = 7) async throws -> [UInt8] {
    try await open(key).contents(limit: limit)
  }
}

extension StoredObject {
  func contents(limit: Int = 7) async throws -> [UInt8] {
    var bytes: [UInt8] = []
    while case let piece = try await read(at: Int64(bytes.count), limit: limit), piece.readableBytes > 0 {
      bytes += piece.readableBytesView
    }
    return bytes
  }
}

/// The code of what a call throws; nil when it throws nothing of ours.
func failure(of body: () async throws -> some Any) async -> TapedeckError.Code? {
  do {
    _ = try await body()
    return nil
  } catch { return (error as? TapedeckError)?.code }
}
