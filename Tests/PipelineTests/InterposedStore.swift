import Model
import NIOCore
import ObjectStorage
import SystemPackage

/// A store in which something happens before a call goes through, after it, or in the place of it.
struct InterposedStore: ObjectStore {
  let base: any ObjectStore
  var afterStore: @Sendable (ObjectKey) async throws(TapedeckError) -> Void = { _ in }
  var beforeHash: @Sendable (ObjectKey) async throws(TapedeckError) -> Void = { _ in }
  var beforeQuarantine: @Sendable (ObjectKey) async throws(TapedeckError) -> Void = { _ in }
  var beforeListing: @Sendable (ObjectFolder) async throws(TapedeckError) -> Void = { _ in }

  init(_ base: any ObjectStore) { self.base = base }

  func store(_ file: FilePath, as key: ObjectKey, bytes: Int64) async throws(TapedeckError) {
    try await base.store(file, as: key, bytes: bytes)
    try await afterStore(key)
  }

  func open(_ key: ObjectKey) async throws(TapedeckError) -> any StoredObject { try await base.open(key) }

  func sha256(of key: ObjectKey) async throws(TapedeckError) -> (sha256: String, bytes: Int64) {
    try await beforeHash(key)
    return try await base.sha256(of: key)
  }

  func quarantine(_ key: ObjectKey, because reason: String) async throws(TapedeckError) {
    try await beforeQuarantine(key)
    try await base.quarantine(key, because: reason)
  }

  func objects(in folder: ObjectFolder) async throws(TapedeckError) -> [ListedObject] {
    try await beforeListing(folder)
    return try await base.objects(in: folder)
  }

  func probe() async throws(TapedeckError) { try await base.probe() }

  func location(of key: ObjectKey) -> String { base.location(of: key) }
}
