package import Model

/// The API that a simulated tenant offers; raw values are the names on the command line.
package enum SandboxContract: String, Sendable, CaseIterable {
  case recordingsV2 = "recordings-v2"
  case mediaPlayback = "media-playback"
}

/// The properties of a simulated tenant: credentials, the day of its calls, and its initial faults.
package struct SandboxConfiguration: Sendable {
  /// The address to listen on. Only `127.0.0.1` is accepted, because the fault endpoint requires no authentication.
  package var listenHost = "127.0.0.1"
  /// The port to listen on; 0 takes any free one.
  package var port = 0
  /// The API that it offers.
  package var contract = SandboxContract.recordingsV2
  /// The access key of the contract `media-playback`. Those of the platform end with `====` too.
  package var accessKeyID = "sandbox-key"
  package var accessKeySecret = "sandbox-key-secret===="
  /// The tenant's ID, which tokens name.
  package var tenantID = "3f1c2a54-8d0e-4b1a-9c57-6e2f0d9b7a11"
  /// How long a media address is valid, in whole seconds.
  package var mediaAddressLifetime = 300
  /// The only accepted client ID.
  package var clientID = "sandbox-client"
  /// The client secret.
  package var clientSecret = "sandbox-secret"
  /// The scopes of every token.
  package var scopes: [String] = ["recording:read", "recording:download"]
  /// The seed of all generated data; the same seed and day give identical calls.
  package var seed: UInt64 = 1
  /// Any moment of the day (UTC) of the calls; nil for the day before the tenant was created.
  package var day: Instant?
  /// The number of generated calls, in addition to those with fixed IDs.
  package var callCount = 60
  /// The lifetime of a token in whole seconds.
  package var tokenLifetime = 3600
  /// Requests per second above which all endpoints except the control endpoints answer 429; nil for no limit.
  package var rate: Double?
  /// The number of requests answered at once after a quiet period; nil for one second's worth.
  package var burst: Int?
  /// Whether a 429 of the rate limit has `Retry-After`.
  package var saysRetryAfter = true
  /// The maximum page size of a search.
  package var pageSizeLimit = 500
  /// How long the recording `processing-01` stays `processing` after the first request for it.
  package var processingTime: Duration = .seconds(3)
  /// Whether calls with synthesised speech are included where `espeak-ng` is installed.
  package var spokenCalls = true
  /// The initial faults.
  package var faults: [FaultRule] = []

  package init() {}

  /// The limit that `rate`, `burst` and `saysRetryAfter` describe; nil for none.
  var limit: RateLimit.Terms? {
    rate.map { RateLimit.Terms(rate: $0, burst: burst, saysRetryAfter: saysRetryAfter) }
  }
}
