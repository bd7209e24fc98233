package import Model
package import NIOCore
package import SystemPackage

/// Stores immutable files under random names.
package protocol ObjectStore: Sendable {
  /// Moves a finished local file into the store. The object is durable when this returns, and `file` is gone.
  ///
  /// Storing the same content under the same name again succeeds and leaves one object; a damaged object under that
  /// name is replaced. A partial object is never visible. On an error `file` may be gone too; write it again to retry.
  /// - Parameter content: what the file holds. Another length is `storageFailed`; a store may compare the hash too.
  /// - Throws: `diskFull`, `storageFailed`, `interrupted` when the task was cancelled.
  func store(_ file: FilePath, as name: ObjectName, content: ObjectContent) async throws(TapedeckError)

  /// Opens an object for reading.
  ///
  /// - Throws: `objectMissing`, `storageFailed`.
  func open(_ name: ObjectName) async throws(TapedeckError) -> any StoredObject

  /// Opens an object for another process that reads it too: never a file that was opened before and has moved since.
  ///
  /// - Throws: `objectMissing`, `objectDamaged` when it is not a regular file, `storageFailed`.
  func openAnew(_ name: ObjectName) async throws(TapedeckError) -> any StoredObject

  /// Reads all bytes of an object from the disk or the bucket, never from a cache, and returns their hash and number.
  ///
  /// - Throws: `objectMissing`, `objectDamaged` when the object is truncated while it is read, `storageFailed`,
  ///   `interrupted`.
  func content(of name: ObjectName) async throws(TapedeckError) -> ObjectContent

  /// Moves a damaged or unknown object to quarantine, with the reason next to it. Succeeds when there is no object.
  ///
  /// A reader that has the object open keeps reading the same bytes, or gets `objectMissing`.
  /// - Parameter reason: a sentence for the operator.
  func quarantine(_ name: ObjectName, because reason: String) async throws(TapedeckError)

  /// Deletes an object. The deletion is durable when this returns. Succeeds when there is no object.
  ///
  /// A reader that has the object open keeps reading the same bytes, or gets `objectMissing`.
  /// - Throws: `storageFailed`, `interrupted`.
  func remove(_ name: ObjectName) async throws(TapedeckError)

  /// Every object of a folder, in no particular order. Other files are left out.
  func objects(in folder: ObjectFolder) async throws(TapedeckError) -> [ListedObject]

  /// Tries every operation that Tapedeck uses with small files that are not objects, and deletes them.
  ///
  /// - Returns: sentences about features that the store lacks and Tapedeck does without.
  /// - Throws: `storageFailed`, `diskFull`, with a sentence that says what failed or what to check.
  func probe() async throws(TapedeckError) -> [String]

  /// The object's address for other systems: an absolute path or an `s3://` URL.
  func location(of name: ObjectName) -> String
}

extension ObjectStore {
  package func openAnew(_ name: ObjectName) async throws(TapedeckError) -> any StoredObject { try await open(name) }
}

/// An object that is open for reading.
package protocol StoredObject: Sendable {
  /// The object's length.
  var bytes: Int64 { get }

  /// Reads bytes from an offset on; returns an empty buffer at the end and outside of the object.
  ///
  /// - Parameter limit: the maximum number of bytes; above 1 MiB fewer may be returned.
  /// - Throws: `storageFailed`, `objectDamaged` when the object has changed since it was opened, `objectMissing`.
  func read(at offset: Int64, limit: Int) async throws(TapedeckError) -> ByteBuffer
}
