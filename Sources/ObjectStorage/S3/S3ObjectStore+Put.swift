import Crypto
import Foundation
import Model
import NIOHTTP1

extension S3ObjectStore {
  /// What came of an attempt to write an object that must not be there yet.
  enum Written: Sendable {
    case done
    /// Something has that name already, or somebody else is writing it just now.
    case taken
  }

  private enum Occupant: Equatable {
    case missing
    /// As far as can be told without reading it.
    case same
    case different(bytes: Int64)
  }

  /// Writes a file's bytes under their name. What is there already stays; if it has another length or checksum, it is
  /// damaged, and goes to quarantine.
  ///
  /// - Throws: `storageFailed`, `diskFull`, `interrupted`; `objectDamaged` when the file changes meanwhile.
  func put(_ file: OpenFile, as key: ObjectKey) async throws(TapedeckError) {
    let isLarge = file.bytes > settings.multipartThreshold
    // In parts, only the last request of many is refused.
    if isLarge, try await occupant(of: key, bytes: file.bytes) == .same { return }
    guard try await write(file, key, isLarge: isLarge, replacing: false) == .taken else { return }
    switch try await occupant(of: key, bytes: file.bytes) {
    case .same: return
    case .missing: throw contended(key)
    case .different(let bytes):
      try await copyToQuarantine(
        key, bytes: bytes, because: "It had another length or checksum than the file that was to be stored.")
      // Over it, not after removing it: another node may have put the right one there meanwhile.
      guard try await write(file, key, isLarge: isLarge, replacing: true) == .done else { throw contended(key) }
    }
  }

  private func contended(_ key: ObjectKey) -> TapedeckError {
    TapedeckError(
      .storageFailed, "The object store is writing the same object for somebody else. It is tried again.",
      detail: location(of: key), retryAfter: .seconds(1))
  }

  private func occupant(of key: ObjectKey, bytes: Int64) async throws(TapedeckError) -> Occupant {
    guard let head = try await line.head(name(of: key)) else { return .missing }
    return head.fits(key, bytes: bytes) ? .same : .different(bytes: head.bytes)
  }

  private func write(
    _ file: OpenFile, _ key: ObjectKey, isLarge: Bool, replacing: Bool
  ) async throws(TapedeckError) -> Written {
    isLarge
      ? try await writeParts(file, key, replacing: replacing)
      : try await writeWhole(file, key, replacing: replacing)
  }

  private func writeWhole(
    _ file: OpenFile, _ key: ObjectKey, replacing: Bool
  ) async throws(TapedeckError) -> Written {
    try check(hex(try await file.hash(0..<file.bytes).finalize()), isOf: key)
    let answer = try await line.answer(
      to: S3Call(
        method: .PUT, name: name(of: key),
        headers: [
          ("content-type", key.kind.contentType), ("x-amz-checksum-sha256", base64(hexadecimal: key.sha256)),
          ("x-amz-sdk-checksum-algorithm", "SHA256"),
        ] + condition(replacing), payload: .file(file, 0..<file.bytes, sha256: key.sha256)))
    return try written(answer)
  }

  /// That the bytes have their name's hash. The store checks it too, for a file that goes in one piece; but not all do.
  func check(_ sha256: String, isOf key: ObjectKey) throws(TapedeckError) {
    guard sha256 == key.sha256 else {
      throw TapedeckError(.storageFailed, detail: "a file for \(key) has the SHA-256 \(sha256)")
    }
  }

  func condition(_ replacing: Bool) -> [(name: String, value: String)] {
    replacing ? [] : [("if-none-match", "*")]
  }

  func written(_ answer: S3Answer) throws(TapedeckError) -> Written {
    switch answer.status {
    case 200..<300: return .done
    case 412, 409: return .taken
    default: throw line.failure(answer, "store object")
    }
  }
}

extension ObjectKey.Kind {
  /// For whoever looks at the bucket with another tool.
  var contentType: String {
    switch self {
    case .wav: "audio/wav"
    case .mp3: "audio/mpeg"
    case .peaks: "application/octet-stream"
    }
  }
}
