package import Model

/// What a simulated tenant is like: who may sign in, which day of calls it holds, and what goes wrong from the start.
package struct SandboxConfiguration: Sendable {
  /// The address to listen on. Only `127.0.0.1` is accepted: the fault endpoint has no lock.
  package var listenHost = "127.0.0.1"
  /// The port to listen on; 0 takes any free one.
  package var port = 0
  /// The one client id that gets a token.
  package var clientID = "sandbox-client"
  /// Its secret.
  package var clientSecret = "sandbox-secret"
  /// The scopes that every token carries.
  package var scopes: [String] = ["recording:read", "recording:download"]
  /// What the day is made from; the same seed and day give the same calls to the byte.
  package var seed: UInt64 = 1
  /// Any moment of the day (UTC) on which the calls took place; nil is the day before the tenant was made.
  package var day: Instant?
  /// How many calls are made up for the day, beside those with fixed ids.
  package var callCount = 60
  /// How long a token is accepted, in whole seconds.
  package var tokenLifetime = 3600
  /// Requests a second above which everything but the control addresses answers 429; nil is no limit.
  package var rate: Double?
  /// How many requests it answers at once after a rest; nil is a second's worth.
  package var burst: Int?
  /// Whether a 429 for the rate says when to come again.
  package var saysRetryAfter = true
  /// The largest page that a search may ask for.
  package var pageSizeLimit = 500
  /// How long the fixed recording `processing-01` is processed, counted from the first time it is asked for.
  package var processingTime: Duration = .seconds(3)
  /// Whether calls with real words are offered where `espeak-ng` is installed.
  package var spokenCalls = true
  /// What goes wrong from the start.
  package var faults: [FaultRule] = []

  package init() {}
}
