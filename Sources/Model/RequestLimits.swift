/// The calls of the platform, any of which may have a limit of its own.
package enum RequestClass: String, Sendable, Codable, CaseIterable, CodingKeyRepresentable {
  case token, search, metadata, download
}

/// How much the operator lets us ask of one source.
package struct RequestLimits: Sendable, Equatable {
  /// Requests a second of all classes together; 0 means no limit.
  package var rate: Double
  /// Requests at once after a rest; 1 or more.
  package var burst: Int
  /// Requests a second of single classes, inside the limit of the source; a class without one has no limit of its own.
  package var classRates: [RequestClass: Double]

  package init(rate: Double, burst: Int, classRates: [RequestClass: Double] = [:]) {
    self.rate = rate.isFinite ? max(0, rate) : 0
    self.burst = max(1, burst)
    self.classRates = classRates.filter { $0.value > 0 && $0.value.isFinite }
  }
}

/// A request that somebody wants to make.
package struct RequestWish: Sendable, Hashable {
  package var kind: RequestClass
  package var priority: Priority

  package init(_ kind: RequestClass, _ priority: Priority) {
    self.kind = kind
    self.priority = priority
  }
}

/// Who of those who asked may send a request now.
package struct RequestGrant: Sendable, Equatable {
  /// Their places in the list of wishes, in the order of their turns.
  package var granted: [Int] = []
  /// When the others should ask again; nil when there are none.
  package var wait: Duration?
  /// Whether they wait because the platform asked for silence.
  package var isPaused = false
  /// Whether everybody waits for what becomes of the one request that was granted.
  package var isTrial = false

  package init(granted: [Int] = [], wait: Duration? = nil, isPaused: Bool = false, isTrial: Bool = false) {
    self.granted = granted
    self.wait = wait
    self.isPaused = isPaused
    self.isTrial = isTrial
  }
}

/// What became of requests since it was last told.
package struct RequestOutcomes: Sendable, Equatable {
  package enum Silence: Sendable, Equatable {
    /// 429; for how long, where the platform said it. `random` is in `0..<1`.
    case refused(retryAfter: Duration?, random: Double)
    /// The platform is not there for so long (503 with `Retry-After`), which is not about our rate.
    case unavailable(retryAfter: Duration)
  }

  /// Answers other than refusals and failures.
  package var accepted = 0
  /// Requests that were not answered, or with a failure of the platform, and no answer came after them.
  package var isFailing = false
  package var silences: [Silence] = []
  /// Requests that were made again and that nobody was asked about.
  package var retries = 0

  package init() {}

  package var isEmpty: Bool { self == RequestOutcomes() }

  /// Puts what could not be told before what happened since.
  package mutating func prepend(_ earlier: RequestOutcomes) {
    // Of what came first, an answer since then says more than a failure before it.
    isFailing = isFailing || (earlier.isFailing && accepted == 0)
    accepted += earlier.accepted
    retries += earlier.retries
    silences = earlier.silences + silences
  }
}
