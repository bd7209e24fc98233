package import Model
import NIOCore

/// An access token of the platform.
package struct AccessToken: Sendable, Equatable {
  /// Sent in the `Authorization` header only.
  package let value: String
  /// When to replace it with a new one.
  package let renewAt: Instant
  /// What it permits; nil when the platform did not say.
  package let scopes: Set<String>?

  /// `expiresIn` is the lifetime in seconds. The token is renewed 60 s before it expires, or after half its lifetime
  /// when that is under 120 s.
  package init(value: String, expiresIn: Int64, scopes: Set<String>?, now: Instant) {
    let lifetime = min(max(0, expiresIn), 365 * 86_400)
    self.value = value
    self.scopes = scopes
    renewAt = now + (lifetime < 120 ? .milliseconds(lifetime * 500) : .seconds(lifetime - 60))
  }
}

extension AccessToken {
  /// Reads the response of the token call; a lifetime given as text is accepted, a missing one counts as five minutes.
  ///
  /// - Throws: `platformProtocol`.
  init(response body: ByteBuffer, now: Instant) throws(TapedeckError) {
    guard let object = PlatformJSON.object(body), let value = object["access_token"] as? String, !value.isEmpty else {
      throw TapedeckError(.platformProtocol, "The platform's token response has no token. Check the base URL.")
    }
    // The value is sent in a header without encoding.
    guard value.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
      throw TapedeckError(
        .platformProtocol,
        "The platform's token contains a line break or another character that an HTTP header cannot carry.")
    }
    let listed = (object["scope"] as? [String])?.joined(separator: " ") ?? object["scope"] as? String
    let scopes = listed.map { Set($0.split { $0 == "," || $0.isWhitespace }.map(String.init)) }
    self.init(
      value: value, expiresIn: PlatformJSON.wholeNumber(object["expires_in"]) ?? 300, scopes: scopes, now: now)
  }
}

extension AccessToken: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
  package var description: String { "AccessToken(<redacted>)" }
  package var debugDescription: String { description }
  package var customMirror: Mirror { Mirror(self, children: ["renewAt": renewAt]) }
}
