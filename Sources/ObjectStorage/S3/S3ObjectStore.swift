package import HTTPTransport
package import Model
import NIOHTTP1
package import NIOPosix
package import SystemPackage

/// Objects in a bucket of any S3-compatible service: `PREFIX/ab/abcdef….mp3`.
///
/// Requests are not retried here; the job that stores or reads is retried.
package struct S3ObjectStore: ObjectStore {
  /// How long the metadata of an object is cached. Another node may replace or remove the object meanwhile.
  static let cacheTime: Duration = .seconds(60)

  let settings: S3Settings
  let client: S3Client
  let threads: NIOThreadPool
  let heads = RecentlyUsed<CachedHead>()
  let missing = MissingFeatures()

  struct CachedHead: Sendable {
    var head: S3Head
    var until: Instant
  }

  /// - Parameters:
  ///   - client: must not follow redirects.
  ///   - threads: where local files are read.
  package init(
    settings: S3Settings, credentials: S3Credentials, client: any HTTPSender, threads: NIOThreadPool,
    system: SystemServices
  ) {
    self.settings = settings
    self.threads = threads
    self.client = S3Client(settings: settings, credentials: credentials, client: client, system: system)
  }

  /// The metadata of an object; nil when there is no object.
  ///
  /// OpenStack Swift, which has no conditional writes, sends a body after the response to HEAD for a missing object;
  /// another request on that connection would fail.
  func metadata(at key: String) async throws(TapedeckError) -> S3Head? {
    try await client.head(key, closesConnection: missing.conditions)
  }

  package func store(
    _ file: FilePath, as name: ObjectName, content: ObjectContent
  ) async throws(TapedeckError) {
    heads.forget(name)
    let source = try await threads.blocking("open file") { try OpenFile(file, threads: threads) }
    guard source.bytes == content.bytes else {
      throw TapedeckError(.storageFailed, detail: "\(file) does not have the expected length")
    }
    do {
      try await put(source, as: name, content.hash)
    } catch  where error.code == .objectDamaged {
      throw TapedeckError(.storageFailed, detail: "\(file) changed while it was stored", cause: error)
    }
    heads.forget(name)
    try await threads.blocking("remove stored file") { try FileSystemCalls.unlink(file) }
  }

  package func open(_ name: ObjectName) async throws(TapedeckError) -> any StoredObject {
    let now = client.system.now()
    if let cached = heads.value(name), cached.until > now {
      return S3Object(store: self, name: name, head: cached.head)
    }
    let generation = heads.generation
    guard let head = try await metadata(at: key(of: name)) else {
      heads.forget(name)
      throw TapedeckError(.objectMissing, detail: location(of: name))
    }
    heads.note(CachedHead(head: head, until: now + Self.cacheTime), name, since: generation)
    return S3Object(store: self, name: name, head: head)
  }

  package func remove(_ name: ObjectName) async throws(TapedeckError) {
    heads.forget(name)
    try await delete(key(of: name))
    // Again: a reader may have cached the metadata before the object was deleted.
    heads.forget(name)
  }

  package func location(of name: ObjectName) -> String { "s3://\(settings.bucket)/\(key(of: name))" }

  /// What S3 calls the object's key: the prefix followed by its name.
  func key(of name: ObjectName) -> String { settings.key(name.description) }

  /// Deletes whatever has that key; succeeds when there is nothing.
  func delete(_ key: String) async throws(TapedeckError) {
    let answer = try await client.answer(to: S3Call(method: .DELETE, key: key))
    guard answer.isSuccess || answer.saysMissing else { throw client.failure(answer, "remove object") }
  }
}
