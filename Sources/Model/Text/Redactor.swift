import Synchronization

/// Replaces secrets in text before it is written anywhere.
///
/// Compares bytes: a search by characters would miss a secret that is followed by a combining mark.
package final class Redactor: Sendable {
  /// The redactor that log handlers and the catalog use.
  package static let shared = Redactor()

  /// Shorter values would match ordinary words.
  private static let minLength = 6
  private static let replacement = Array("[redacted]".utf8)

  /// Prefixes of secrets that are recognized without `add`: API tokens, secrets of sessions, webhook secrets.
  private static let secretPrefixes = ["tdk_", "tdks_", "whsec_"]
  /// These, and the words that introduce `Authorization` values.
  private static let prefixes = secretPrefixes + ["bearer ", "basic "]

  private struct Secrets {
    var fixed: Set<[UInt8]> = []
    /// The last two values of each name.
    var renewed: [String: [[UInt8]]] = [:]
    /// All secrets, the longest first: a shorter secret inside a longer one must not leave the rest of it.
    var sorted: [[UInt8]] = []

    mutating func sort() {
      sorted = fixed.union(renewed.values.joined()).sorted { $0.count > $1.count }
    }
  }

  private let secrets = Mutex(Secrets())

  package init() {}

  /// Redacts a value from now on. Values of less than 6 bytes are ignored, because they would match ordinary words.
  package func add(_ secret: String) {
    guard secret.utf8.count >= Self.minLength else { return }
    secrets.withLock { secrets in
      secrets.fixed.insert(Array(secret.utf8))
      secrets.sort()
    }
  }

  /// Redacts a secret that is renewed. Only the last two values of one name are kept: requests may still use the
  /// previous one.
  package func renew(_ name: String, _ secret: String) {
    guard secret.utf8.count >= Self.minLength else { return }
    secrets.withLock { secrets in
      let known = secrets.renewed[name] ?? []
      let value = Array(secret.utf8)
      guard known.first != value else { return }
      secrets.renewed[name] = Array(([value] + known).prefix(2))
      secrets.sort()
    }
  }

  /// Whether text contains the prefix of an API token, session or webhook secret, also percent-encoded.
  package static func hasSecretPrefix(_ text: String) -> Bool {
    guard text.utf8.contains(where: { $0 == UInt8(ascii: "_") || $0 == UInt8(ascii: "%") }) else { return false }
    let text = percentDecodedCompletely(text).lowercased()
    return secretPrefixes.contains { text.contains($0) }
  }

  /// The text with added secrets, API tokens, secrets of sessions and webhooks, and `Authorization` values replaced by
  /// `[redacted]`. A text with a percent-encoded secret is also decoded.
  package func redact(_ text: String) -> String { redact(text, prefixes: Self.prefixes) }

  /// As `redact`, without the words that introduce `Authorization` values: for stored text that people typed, in which
  /// "basic training" is not a secret.
  package func redactSecrets(_ text: String) -> String { redact(text, prefixes: Self.secretPrefixes) }

  private func redact(_ text: String, prefixes: [String]) -> String {
    let plain = redactOnce(text, prefixes: prefixes)
    guard plain.utf8.contains(UInt8(ascii: "%")) else { return plain }
    let decoded = percentDecodedCompletely(plain)
    let redacted = redactOnce(decoded, prefixes: prefixes)
    return redacted == decoded ? plain : redacted
  }

  private func redactOnce(_ text: String, prefixes: [String]) -> String {
    var bytes = Array(text.utf8)
    var changed = false
    // Each pass copies the bytes once: replacing them one by one would take quadratic time for text full of secrets.
    func replace(_ wanted: [UInt8], ignoringCase: Bool, _ secret: (_ found: Int) -> Range<Int>) {
      var (redacted, copied, position) = ([UInt8](), 0, 0)
      while let found = find(wanted, in: bytes, from: position, ignoringCase: ignoringCase) {
        let range = secret(found)
        position = range.upperBound
        guard range.count >= Self.minLength else { continue }
        redacted += bytes[copied..<range.lowerBound] + Self.replacement
        copied = range.upperBound
      }
      guard copied > 0 else { return }
      bytes = redacted + bytes[copied...]
      changed = true
    }
    for secret in secrets.withLock({ $0.sorted }) {
      replace(secret, ignoringCase: false) { $0..<$0 + secret.count }
    }
    for prefix in prefixes.map({ Array($0.utf8) }) {
      replace(prefix, ignoringCase: true) { found in
        let start = found + prefix.count
        return start..<bytes[start...].prefix(while: isTokenByte).endIndex
      }
    }
    return changed ? String(decoding: bytes, as: UTF8.self) : text
  }

  private func find(_ wanted: [UInt8], in bytes: [UInt8], from: Int, ignoringCase: Bool = false) -> Int? {
    guard let first = wanted.first, bytes.count - from >= wanted.count else { return nil }
    return bytes.withUnsafeBufferPointer { bytes in
      for start in from...bytes.count - wanted.count {
        guard folded(bytes[start], ignoringCase) == first else { continue }
        var length = 1
        while length < wanted.count, folded(bytes[start + length], ignoringCase) == wanted[length] { length += 1 }
        if length == wanted.count { return start }
      }
      return nil
    }
  }

  @inline(__always)
  private func folded(_ byte: UInt8, _ ignoringCase: Bool) -> UInt8 {
    ignoringCase && (0x41...0x5A).contains(byte) ? byte | 0x20 : byte
  }

  private func isTokenByte(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
    default: "-_+/=.~".utf8.contains(byte)
    }
  }
}
