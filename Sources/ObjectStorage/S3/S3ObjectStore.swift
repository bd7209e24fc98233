package import AsyncHTTPClient
package import Model
import NIOHTTP1
package import NIOPosix
package import SystemPackage

/// Objects in a bucket of anything that speaks S3: `PREFIX/ab/abcdef….mp3`.
///
/// A request is sent once; the job that wanted it is what tries again.
package struct S3ObjectStore: ObjectStore {
  /// How long the head of an object is believed. Another node may have replaced or removed the object.
  static let memory: Duration = .seconds(60)

  let settings: S3Settings
  let line: S3Line
  let threads: NIOThreadPool
  let heads = RecentlyUsed<KnownHead>()

  struct KnownHead: Sendable {
    var head: S3Head
    var until: Instant
  }

  /// `client` must follow no redirects, and `threads` is where local files are read.
  package init(
    settings: S3Settings, credentials: S3Credentials, client: HTTPClient, threads: NIOThreadPool,
    surroundings: Surroundings
  ) {
    self.settings = settings
    self.threads = threads
    line = S3Line(settings: settings, credentials: credentials, client: client, surroundings: surroundings)
  }

  package func store(_ file: FilePath, as key: ObjectKey, bytes: Int64) async throws(TapedeckError) {
    heads.forget(key)
    let source = try await threads.blocking("open file") { try OpenFile(file, threads: threads) }
    guard source.bytes == bytes else {
      throw TapedeckError(.storageFailed, detail: "\(file) has not the length that was counted")
    }
    do {
      try await put(source, as: key)
    } catch  where error.code == .objectDamaged {
      throw TapedeckError(.storageFailed, detail: "\(file) changed while it was stored", cause: error)
    }
    heads.forget(key)
    try await threads.blocking("remove stored file") { try FileSystemCalls.unlink(file) }
  }

  package func open(_ key: ObjectKey) async throws(TapedeckError) -> any StoredObject {
    let now = line.surroundings.now()
    if let known = heads.value(key), known.until > now { return S3Object(store: self, key: key, head: known.head) }
    let forgettings = heads.forgettings
    guard let head = try await line.head(name(of: key)) else {
      heads.forget(key)
      throw TapedeckError(.objectMissing, detail: location(of: key))
    }
    heads.note(KnownHead(head: head, until: now + Self.memory), key, since: forgettings)
    return S3Object(store: self, key: key, head: head)
  }

  package func location(of key: ObjectKey) -> String { "s3://\(settings.bucket)/\(name(of: key))" }

  func name(of key: ObjectKey) -> String { settings.name(key.description) }

  /// Removes whatever has that name; nothing is no error.
  func delete(_ name: String) async throws(TapedeckError) {
    let answer = try await line.answer(to: S3Call(method: .DELETE, name: name))
    guard answer.isSuccess || answer.saysMissing else { throw line.failure(answer, "remove object") }
  }
}
