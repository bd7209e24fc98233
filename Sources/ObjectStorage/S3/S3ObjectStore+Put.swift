import Crypto
import Foundation
import Model
import NIOHTTP1

extension S3ObjectStore {
  /// The result of writing an object on the condition that there is none.
  enum Written: Sendable {
    case done
    /// There is an object of that name, or another request is writing one.
    case taken
  }

  private enum Existing: Equatable {
    case missing
    case same
    case different(bytes: Int64)
  }

  /// Writes a file under a name. An existing object stays, unless its length or checksum shows that it is damaged: it
  /// is copied to quarantine and replaced.
  ///
  /// - Throws: `storageFailed`, `diskFull`, `interrupted`; `objectDamaged` when the file changes meanwhile.
  func put(_ file: OpenFile, as name: ObjectName, _ hash: ContentHash) async throws(TapedeckError) {
    let content = ObjectContent(hash: hash, bytes: file.bytes)
    let isLarge = file.bytes > settings.multipartThreshold
    // An upload in parts is refused only by its last request, and by some services not at all, so look first.
    var found: Existing? = isLarge ? try await existing(name, content) : nil
    if found == nil || found == .missing {
      guard try await write(file, name, hash, isLarge: isLarge, replacing: false) == .taken else { return }
      found = try await existing(name, content)
    }
    switch found ?? .missing {
    case .same: return
    case .missing: throw contended(name)
    case .different(let bytes):
      try await copyToQuarantine(
        name, bytes: bytes, because: "Its length or checksum differed from that of the file to be stored.")
      // Overwritten, not removed and written: another node may have stored the right object meanwhile.
      guard try await write(file, name, hash, isLarge: isLarge, replacing: true) == .done else {
        throw contended(name)
      }
    }
  }

  private func contended(_ name: ObjectName) -> TapedeckError {
    TapedeckError(
      .storageFailed, "Another node is writing the same object. The request is retried.", detail: location(of: name),
      retryAfter: .seconds(1))
  }

  /// Compares the object of that name with a file; reads it when the service has no checksum of it.
  private func existing(_ name: ObjectName, _ content: ObjectContent) async throws(TapedeckError) -> Existing {
    // It may not be known yet whether the service needs a connection of its own for this.
    guard let head = try await client.head(key(of: name), closesConnection: true) else { return .missing }
    guard head.fits(content) else { return .different(bytes: head.bytes) }
    if head.checksum != nil { return .same }
    do throws(TapedeckError) {
      return try await self.content(of: name) == content ? .same : .different(bytes: head.bytes)
    } catch {
      // Removed meanwhile.
      guard error.code == .objectMissing else { throw error }
      return .missing
    }
  }

  private func write(
    _ file: OpenFile, _ name: ObjectName, _ hash: ContentHash, isLarge: Bool, replacing: Bool
  ) async throws(TapedeckError) -> Written {
    isLarge
      ? try await writeParts(file, name, hash, replacing: replacing)
      : try await writeWhole(file, name, hash, replacing: replacing)
  }

  private func writeWhole(
    _ file: OpenFile, _ name: ObjectName, _ hash: ContentHash, replacing: Bool
  ) async throws(TapedeckError) -> Written {
    try check(ContentHash(digest: try await file.hash(0..<file.bytes).finalize()), is: hash, of: name)
    let answer = try await answerUnlessTaken(
      S3Call(
        method: .PUT, key: key(of: name),
        headers: [
          ("content-type", name.kind.contentType), ("x-amz-checksum-sha256", base64(hexadecimal: hash.rawValue) ?? ""),
          ("x-amz-sdk-checksum-algorithm", "SHA256"),
        ], payload: .file(file, 0..<file.bytes, sha256: hash.rawValue)), replacing: replacing)
    let written = try written(answer)
    if written == .done { try await confirm(answer, file, name, hash) }
    return written
  }

  /// Checks that the service has a file that it was sent: a gateway can answer with a success that says nothing. The
  /// answer proves it with the checksum of what was stored; otherwise, the service is asked. OpenStack Swift answers
  /// with a page when it has stored nothing, because another request has stored a newer object meanwhile.
  ///
  /// - Throws: `storageFailed` when the object is missing or another one.
  private func confirm(
    _ answer: S3Answer, _ file: OpenFile, _ name: ObjectName, _ hash: ContentHash
  ) async throws(TapedeckError) {
    let content = ObjectContent(hash: hash, bytes: file.bytes)
    guard answer.isStored else {
      guard try await existing(name, content) == .same else { throw client.failure(answer, "store object") }
      return
    }
    if answer.headers.first(name: "x-amz-checksum-sha256") == base64(hexadecimal: hash.rawValue) { return }
    if let etag = answer.md5, etag == hex(try await file.md5()) { return }
    guard let head = try await metadata(at: key(of: name)), head.fits(content) else {
      throw TapedeckError(
        .storageFailed,
        "The object store confirmed an object that it does not have, or that has another content. It is stored again.",
        detail: location(of: name))
    }
  }

  /// Sends a request that creates an object, on the condition that there is none unless `replacing`.
  ///
  /// A service without conditional writes is asked for the object first. Another node may write it in between; that is
  /// harmless, since the catalog gives a name to one content only.
  /// - Returns: a response with status 412 when there is an object.
  func answerUnlessTaken(_ call: S3Call, replacing: Bool) async throws(TapedeckError) -> S3Answer {
    var isRejected = false
    if !replacing, !missing.conditions {
      var conditional = call
      conditional.headers.append(("if-none-match", "*"))
      let answer = try await client.answer(to: conditional)
      guard answer.saysNotImplemented else { return answer }
      isRejected = true
      missing.conditions = true
    }
    if !replacing, try await metadata(at: call.key) != nil { return S3Answer(status: 412, headers: [:]) }
    let answer = try await client.answer(to: call)
    // A gateway may answer 501 too; then it answers the same to the request without a condition.
    if isRejected, answer.saysNotImplemented { missing.conditions = false }
    return answer
  }

  /// Throws `storageFailed` unless the bytes have the expected hash. The service compares it too for a file that is
  /// sent in one piece, but not every service does.
  func check(_ found: ContentHash, is hash: ContentHash, of name: ObjectName) throws(TapedeckError) {
    guard found == hash else {
      throw TapedeckError(.storageFailed, detail: "the file for \(name) has the SHA-256 \(found), not \(hash)")
    }
  }

  func written(_ answer: S3Answer) throws(TapedeckError) -> Written {
    switch answer.status {
    case 200..<300: return .done
    case 412, 409: return .taken
    default: throw client.failure(answer, "store object")
    }
  }
}
