package import Model
package import NIOCore
package import SystemPackage

/// Bytes at rest, immutable and named by their hash.
package protocol ObjectStore: Sendable {
  /// Takes over a finished local file. The object is durable when this returns, and `file` is gone.
  ///
  /// Storing the same key again is no error and leaves one object. A half object is never visible. When it throws,
  /// `file` may be gone all the same, and must be made again then.
  /// - Parameters:
  ///   - key: names the SHA-256 that the bytes have; a store may refuse others as `storageFailed`.
  ///   - bytes: the length that the file must have; anything else is `storageFailed`.
  /// - Throws: `diskFull`, `storageFailed`, `interrupted` when the task was cancelled.
  func store(_ file: FilePath, as key: ObjectKey, bytes: Int64) async throws(TapedeckError)

  /// Opens an object for reading.
  ///
  /// - Throws: `objectMissing`, `storageFailed`.
  func open(_ key: ObjectKey) async throws(TapedeckError) -> any StoredObject

  /// The hash that an object's bytes have now, in hexadecimal, and how many there are. Reads all of them from where
  /// they lie, never from what is remembered of them.
  ///
  /// - Throws: `objectMissing`, `objectDamaged` when it becomes shorter meanwhile, `storageFailed`, `interrupted`.
  func sha256(of key: ObjectKey) async throws(TapedeckError) -> (sha256: String, bytes: Int64)

  /// Takes a damaged object out of service without destroying it, with the reason beside it; none is no error.
  ///
  /// Whoever has it open reads its own bytes, or is told `objectMissing`.
  /// - Parameter reason: a sentence for whoever finds it.
  func quarantine(_ key: ObjectKey, because reason: String) async throws(TapedeckError)

  /// Every object of a folder, in no order. What is no object is left out.
  func objects(in folder: ObjectFolder) async throws(TapedeckError) -> [ListedObject]

  /// Writes something small that is no object, reads it back and removes it: whether the store can be used at all.
  ///
  /// - Throws: `storageFailed`, `diskFull`, with a sentence that says what to check.
  func probe() async throws(TapedeckError)

  /// Where an object lies, for other systems: an absolute path or an `s3://` address.
  func location(of key: ObjectKey) -> String
}

/// An object open for reading, for as long as it is referred to.
package protocol StoredObject: Sendable {
  /// The object's length.
  var bytes: Int64 { get }

  /// The bytes from an offset on, as far as there are any; none at the end.
  ///
  /// - Parameter limit: how many; of more than 1 MiB only some may come.
  /// - Throws: `storageFailed`, `objectDamaged` when the object is no longer what it was, `objectMissing`.
  func read(at offset: Int64, limit: Int) async throws(TapedeckError) -> ByteBuffer
}
