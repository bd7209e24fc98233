import Crypto
import Model
import NIOCore
import NIOPosix
import ObjectStorage
import SystemPackage
import TestKit
import Testing

/// The implementations that must fulfil the contract.
enum StoreKind: CaseIterable, Sendable {
  case files
  case s3

  /// Only the service that a soak test chose, or all.
  static let allCases: [StoreKind] = S3Server.chosen == nil ? [.files, .s3] : [.s3]

  /// Runs a test with an empty store, and a folder on the same disk for files to store.
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

/// An object of a test. Its name is derived from its content, so that equal bytes get one name, as from the catalog.
struct TestObject: Sendable, Hashable, CustomStringConvertible {
  var name: ObjectName
  var hash: ContentHash

  init(name: ObjectName, hash: ContentHash) {
    self.name = name
    self.hash = hash
  }

  init(_ hash: ContentHash, _ kind: ObjectName.Kind = .mp3) throws {
    name = try #require(ObjectName(digits: String(hash.rawValue.prefix(32)), kind: kind))
    self.hash = hash
  }

  /// The object that holds these bytes.
  init(_ bytes: [UInt8], _ kind: ObjectName.Kind = .mp3) throws {
    try self.init(ContentHash(digest: SHA256.hash(data: bytes)), kind)
  }

  var folder: ObjectFolder { name.folder }
  var description: String { name.description }
}

/// An object that is never stored; no file has its hash.
let anyObject = TestObject(name: anyName, hash: ContentHash(digest: [UInt8](repeating: 0, count: 32)))
let anyName = ObjectName(digits: "0abc" + String(repeating: "a", count: 28), kind: .mp3)!

extension ObjectStore {
  func store(_ file: FilePath, as object: TestObject, bytes: Int64) async throws(TapedeckError) {
    try await store(file, as: object.name, content: ObjectContent(hash: object.hash, bytes: bytes))
  }

  /// Stores bytes under the name of their test object.
  @discardableResult
  func keep(_ bytes: [UInt8], _ kind: ObjectName.Kind = .mp3, by way: TemporaryFolder) async throws -> TestObject {
    let object = try TestObject(bytes, kind)
    try await store(try way.file(bytes), as: object, bytes: Int64(bytes.count))
    return object
  }

  /// Everything in an object, read piece by piece.
  func contents(of object: TestObject, limit: Int = 64) async throws -> [UInt8] {
    try await open(object.name).contents(limit: limit)
  }

  /// Every object of every folder.
  func names() async throws -> Set<ObjectName> {
    var names: Set<ObjectName> = []
    for folder in ObjectFolder.all { names.formUnion(try await objects(in: folder).map(\.name)) }
    return names
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
