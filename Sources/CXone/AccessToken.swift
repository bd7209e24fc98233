package import Model

/// A bearer token of the platform.
package struct AccessToken: Sendable, Equatable {
  /// Goes into one header and nowhere else.
  package let value: String
  /// When it should be replaced by a new one.
  package let renewAt: Instant
  /// What it may be used for; nil when the platform did not say.
  package let scopes: Set<String>?

  /// `expiresIn` is the lifetime in seconds: it is renewed 60 s before its end, or at half when it lives under 120 s.
  package init(value: String, expiresIn: Int64, scopes: Set<String>?, now: Instant) {
    let lifetime = min(max(0, expiresIn), 365 * 86_400)
    self.value = value
    self.scopes = scopes
    renewAt = now + (lifetime < 120 ? .milliseconds(lifetime * 500) : .seconds(lifetime - 60))
  }
}

extension AccessToken: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
  package var description: String { "AccessToken(<redacted>)" }
  package var debugDescription: String { description }
  package var customMirror: Mirror { Mirror(self, children: ["renewAt": renewAt]) }
}
