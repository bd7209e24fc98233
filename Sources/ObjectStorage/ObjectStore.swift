package import Model
package import NIOCore
package import SystemPackage

/// Bytes at rest, immutable and named by their hash.
package protocol ObjectStore: Sendable {
  /// Takes over a finished local file. The object is durable when this returns, and `file` is gone.
  ///
  /// Storing the same key again is no error and leaves one object. A half object is never visible. When it throws,
  /// `file` may be gone all the same, and must be made again then.
  /// - Parameter bytes: the length that the file must have; anything else is `storageFailed`.
  /// - Throws: `diskFull`, `storageFailed`, `interrupted` when the task was cancelled before it began.
  func store(_ file: FilePath, as key: ObjectKey, bytes: Int64) async throws(TapedeckError)

  /// Opens an object for reading.
  ///
  /// - Throws: `objectMissing`, `storageFailed`.
  func open(_ key: ObjectKey) async throws(TapedeckError) -> any StoredObject

  /// Removes an object; none is no error.
  func remove(_ key: ObjectKey) async throws(TapedeckError)

  /// Every object that was stored before then, in no order.
  func keys(unchangedSince moment: Instant) async throws(TapedeckError) -> [ObjectKey]

  /// Where an object lies, for other systems: an absolute path or an `s3://` address.
  func location(of key: ObjectKey) -> String
}

/// An object open for reading, for as long as it is referred to.
package protocol StoredObject: Sendable {
  /// The object's length.
  var bytes: Int64 { get }

  /// Some of the bytes from an offset on, at most `limit`; none at the end.
  ///
  /// - Throws: `storageFailed`, `objectDamaged` when the object is shorter than it was.
  func read(at offset: Int64, limit: Int) async throws(TapedeckError) -> ByteBuffer
}
