import Model
import NIOCore
import ObjectStorage
import SystemPackage

/// A store with hooks that run before or after calls and may throw in their place.
struct InterposedStore: ObjectStore {
  let base: any ObjectStore
  var beforeStore: @Sendable (ObjectName) async throws(TapedeckError) -> Void = { _ in }
  var afterStore: @Sendable (ObjectName) async throws(TapedeckError) -> Void = { _ in }
  var beforeRead: @Sendable (ObjectName) async throws(TapedeckError) -> Void = { _ in }
  var beforeQuarantine: @Sendable (ObjectName) async throws(TapedeckError) -> Void = { _ in }
  var beforeRemove: @Sendable (ObjectName) async throws(TapedeckError) -> Void = { _ in }
  var afterRemove: @Sendable (ObjectName) async throws(TapedeckError) -> Void = { _ in }
  var beforeListing: @Sendable (ObjectFolder) async throws(TapedeckError) -> Void = { _ in }

  init(_ base: any ObjectStore) { self.base = base }

  func store(_ file: FilePath, as name: ObjectName, content: ObjectContent) async throws(TapedeckError) {
    try await beforeStore(name)
    try await base.store(file, as: name, content: content)
    try await afterStore(name)
  }

  func open(_ name: ObjectName) async throws(TapedeckError) -> any StoredObject { try await base.open(name) }

  func content(of name: ObjectName) async throws(TapedeckError) -> ObjectContent {
    try await beforeRead(name)
    return try await base.content(of: name)
  }

  func quarantine(_ name: ObjectName, because reason: String) async throws(TapedeckError) {
    try await beforeQuarantine(name)
    try await base.quarantine(name, because: reason)
  }

  func remove(_ name: ObjectName) async throws(TapedeckError) {
    try await beforeRemove(name)
    try await base.remove(name)
    try await afterRemove(name)
  }

  func objects(in folder: ObjectFolder) async throws(TapedeckError) -> [ListedObject] {
    try await beforeListing(folder)
    return try await base.objects(in: folder)
  }

  func probe() async throws(TapedeckError) -> [String] { try await base.probe() }

  func location(of name: ObjectName) -> String { base.location(of: name) }
}
