/// The kinds of platform requests; each can have its own limit.
package enum RequestClass: String, Sendable, Codable, CaseIterable, CodingKeyRepresentable {
  case token, search, metadata, download
}

/// The requests of a source that share a limit on the platform. What is learned about one bucket, and a pause of it,
/// does not affect the others.
package enum RequestBucket: String, Sendable, CaseIterable {
  /// All requests of a contract that has one limit for all.
  case all
  /// Requests for the media of calls, which NICE limits and bills.
  case media
  /// Requests to the ACD, such as searches for contacts.
  case contacts
  /// Sign-in and discovery.
  case token
}

/// The configured request limits of one bucket of a source.
package struct RequestLimits: Sendable, Equatable {
  /// Requests per second of all classes together; 0 means no limit.
  package var rate: Double
  /// Requests that can be sent at once after a quiet period; 1 or more.
  package var burst: Int
  /// Requests per second of single classes, within the limit of the source; a class without an entry has no limit of
  /// its own.
  package var classRates: [RequestClass: Double]

  package init(rate: Double, burst: Int, classRates: [RequestClass: Double] = [:]) {
    self.rate = rate.isFinite ? max(0, rate) : 0
    self.burst = max(1, burst)
    self.classRates = classRates.filter { $0.value > 0 && $0.value.isFinite }
  }
}

/// A request that waits to be sent.
package struct RequestTicket: Sendable, Hashable {
  package var kind: RequestClass
  package var priority: Priority

  package init(_ kind: RequestClass, _ priority: Priority) {
    self.kind = kind
    self.priority = priority
  }
}

/// Which of the waiting requests may be sent now.
package struct Grants: Sendable, Equatable {
  /// Indexes into the list of tickets, in order of their turns.
  package var granted: [Int] = []
  /// When to ask again for the others; nil when there are none.
  package var wait: Duration?
  /// Whether they wait because the platform asked for a pause.
  package var isPaused = false
  /// Whether all others wait for the outcome of the one granted request.
  package var isTrial = false

  package init(granted: [Int] = [], wait: Duration? = nil, isPaused: Bool = false, isTrial: Bool = false) {
    self.granted = granted
    self.wait = wait
    self.isPaused = isPaused
    self.isTrial = isTrial
  }
}

/// The outcomes of requests since the last report.
package struct RequestOutcomes: Sendable, Equatable {
  package enum Pause: Sendable, Equatable {
    /// 429, with the requested delay if there is one. `random` is in `0..<1`.
    case refused(retryAfter: Duration?, random: Double)
    /// 503 with `Retry-After`: an outage, unrelated to the request rate.
    case unavailable(retryAfter: Duration)
  }

  /// Responses other than refusals and failures.
  package var accepted = 0
  /// Whether requests failed on the platform's side, and no response came after them.
  package var isFailing = false
  package var pauses: [Pause] = []
  /// Retries that were not admitted by `admitRetry` first.
  package var retries = 0

  package init() {}

  package var isEmpty: Bool { self == RequestOutcomes() }

  /// Puts outcomes that could not be reported before the later ones.
  package mutating func prepend(_ earlier: RequestOutcomes) {
    // A later response outweighs an earlier failure.
    isFailing = isFailing || (earlier.isFailing && accepted == 0)
    accepted += earlier.accepted
    retries += earlier.retries
    pauses = earlier.pauses + pauses
  }
}
