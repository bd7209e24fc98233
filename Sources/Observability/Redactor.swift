import Synchronization

/// Takes secrets out of text before it is written anywhere.
package final class Redactor: Sendable {
  /// The one that the log handlers use.
  package static let shared = Redactor()

  private let secrets = Mutex<[String]>([])

  package init() {}

  /// Makes a value unwritable from now on. Very short ones are left out, since they would stand in every other word.
  package func add(_ secret: String) {
    guard secret.utf8.count >= 6 else { return }
    secrets.withLock { secrets in
      // Longer ones first, so that none leaves the rest of another.
      secrets = Set(secrets + [secret]).sorted { ($0.utf8.count, $0) > ($1.utf8.count, $1) }
    }
  }

  /// The text with known secrets, API tokens, webhook secrets and bearer tokens replaced by `[redacted]`.
  package func redact(_ text: String) -> String {
    var text = text
    for secret in secrets.withLock({ $0 }) where text.contains(secret) {
      text = text.replacing(secret, with: "[redacted]")
    }
    for mark in ["tdk_", "whsec_", "Bearer ", "bearer ", "Basic "] where text.contains(mark) {
      text = masked(text, after: mark)
    }
    return text
  }

  /// Replaces whatever looks like a secret's characters behind each occurrence of a mark.
  private func masked(_ text: String, after mark: String) -> String {
    let parts = text.split(separator: mark, omittingEmptySubsequences: false)
    return parts.enumerated().map { index, part in
      guard index > 0 else { return String(part) }
      let secret = part.prefix { $0.isASCII && ($0.isLetter || $0.isNumber || "-_+/=.~".contains($0)) }
      return secret.count < 6 ? String(part) : "[redacted]" + part.dropFirst(secret.count)
    }.joined(separator: mark)
  }
}
