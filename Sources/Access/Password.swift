import Crypto
import CryptoExtras
import Foundation
package import Model
import Synchronization

/// Hashes and checks passwords with scrypt, one at a time, on threads of lower priority.
///
/// One hash with the default cost takes 128 MiB and about 0.4 s: it must not delay other requests. `SignInQueue`
/// decides which one is next and how many may wait.
package struct PasswordHasher: Sendable {
  /// scrypt's cost: N = 2^`logRounds`, r = 8, p = 1 (OWASP ASVS 5.0: N = 2^17).
  package struct Cost: Sendable {
    package var logRounds: Int
    package init(logRounds: Int) { self.logRounds = logRounds }
    package static let standard = Cost(logRounds: 17)
  }

  package typealias Place = SignInQueue<CheckedContinuation<Bool, Never>>.Place
  /// Derives 32 bytes from a password, a salt and the logarithm of the rounds.
  package typealias Derive = @Sendable (String, [UInt8], Int) async throws -> [UInt8]

  /// The costs accepted in a stored hash. CryptoExtras accepts a memory limit and ignores it.
  private static let logRoundsAllowed = 1...17

  private let cost: Cost
  private let derivation: Derive
  private let turns: Turns

  /// The queue, and whether a hash is being computed.
  private final class Turns: Sendable {
    struct State {
      var isBusy = false
      var queue: SignInQueue<CheckedContinuation<Bool, Never>>
    }

    let state: Mutex<State>

    init(waiting: Int) { state = Mutex(State(queue: SignInQueue(perGroup: waiting))) }

    /// Waits for a turn.
    ///
    /// - Returns: false when too many wait already.
    func take(_ place: Place) async -> Bool {
      await withCheckedContinuation { continuation in
        let answer: Bool? = state.withLock { state in
          if !state.isBusy {
            state.isBusy = true
            return true
          }
          return state.queue.add(continuation, at: place) ? nil : false
        }
        if let answer { continuation.resume(returning: answer) }
      }
    }

    func pass() {
      let next = state.withLock { state in
        let next = state.queue.next()
        state.isBusy = next != nil
        return next
      }
      next?.resume(returning: true)
    }
  }

  /// - Parameters:
  ///   - waiting: how many may wait from known addresses, and how many from new ones.
  ///   - derive: scrypt by default; tests replace it.
  package init(cost: Cost = .standard, waiting: Int = 512, derive: Derive? = nil) {
    self.cost = cost
    turns = Turns(waiting: waiting)
    derivation = derive ?? Self.scrypt
  }

  /// How many hashes wait for their turn.
  package var waiting: Int { turns.state.withLock { $0.queue.count } }

  /// Checks a new password: 8 to 1,000 characters in at most 4,000 bytes, not a common password and not the name of its
  /// account.
  ///
  /// - Throws: `invalidRequest`.
  package static func check(_ password: String, name: String) throws(TapedeckError) {
    // Bytes first: a character can have any number of them.
    guard password.utf8.count <= 4000, (8...1000).contains(password.count) else {
      throw TapedeckError(.invalidRequest, "A password has at least 8 and at most 1,000 characters. Choose another.")
    }
    guard password.lowercased() != name.lowercased() else {
      throw TapedeckError(.invalidRequest, "The password must differ from the account's name. Choose another.")
    }
    guard !CommonPasswords.contains(password) else {
      throw TapedeckError(.invalidRequest, "This password is common and easy to guess. Choose another.")
    }
  }

  /// The hash in its stored form: `scrypt$17$<salt>$<hash>`, the last two in base64.
  ///
  /// - Throws: `signInThrottled` when too many wait.
  package func hash(_ password: String, at place: Place) async throws(TapedeckError) -> String {
    let salt = randomBytes(16)
    let key = try await derive(password, salt: salt, logRounds: cost.logRounds, at: place)
    return "scrypt$\(cost.logRounds)$\(Data(salt).base64EncodedString())$\(Data(key).base64EncodedString())"
  }

  /// Whether a password matches a stored hash. Without a valid hash the same work is done, so that the time taken does
  /// not reveal whether an account exists.
  ///
  /// - Throws: `signInThrottled` when too many wait.
  package func matches(
    _ password: String, stored: String?, at place: Place
  ) async throws(TapedeckError) -> Bool {
    let parts = stored?.split(separator: "$").map(String.init) ?? []
    guard parts.count == 4, parts[0] == "scrypt", let logRounds = Int(parts[1]),
      Self.logRoundsAllowed.contains(logRounds),
      let salt = Data(base64Encoded: parts[2]), let expected = Data(base64Encoded: parts[3])
    else {
      _ = try await derive(password, salt: randomBytes(16), logRounds: cost.logRounds, at: place)
      return false
    }
    return constantTimeEquals(
      try await derive(password, salt: [UInt8](salt), logRounds: logRounds, at: place), expected)
  }

  private func derive(
    _ password: String, salt: [UInt8], logRounds: Int, at place: Place
  ) async throws(TapedeckError) -> [UInt8] {
    guard await turns.take(place) else {
      throw TapedeckError(
        .signInThrottled, "Too many sign-ins at the moment. Try again in a few seconds.", retryAfter: .seconds(8))
    }
    defer { turns.pass() }
    do { return try await derivation(password, salt, logRounds) } catch {
      throw TapedeckError(.internalError, detail: "scrypt: \(error)", cause: error)
    }
  }

  /// A thread's priority is lowered for all its life, so each hash has a thread of its own.
  @Sendable private static func scrypt(_ password: String, salt: [UInt8], logRounds: Int) async throws -> [UInt8] {
    try await withCheckedThrowingContinuation { continuation in
      Thread.detachNewThread {
        #if os(Linux)
          _ = setpriority(Int32(PRIO_PROCESS.rawValue), 0, 5)
        #endif
        continuation.resume(
          with: Result {
            try KDF.Scrypt.deriveKey(
              from: Data(password.utf8), salt: salt, outputByteCount: 32, rounds: 1 << logRounds, blockSize: 8,
              parallelism: 1
            ).withUnsafeBytes { Array($0) }
          })
      }
    }
  }
}
