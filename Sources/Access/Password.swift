import Crypto
import CryptoExtras
import Dispatch
import Foundation
package import Model
import Synchronization

/// Hashes and checks passwords with scrypt, on a queue of its own and with a limit on waiting requests.
///
/// One hash with the default cost takes 128 MiB and about 0.4 s: it must not block the server, and the number of
/// requests must be bounded.
package struct PasswordHasher: Sendable {
  /// scrypt's cost: N = 2^`logRounds`, r = 8, p = 1 (OWASP ASVS 5.0: N = 2^17).
  package struct Cost: Sendable {
    package var logRounds: Int
    package init(logRounds: Int) { self.logRounds = logRounds }
    package static let standard = Cost(logRounds: 17)
  }

  /// The costs accepted in a stored hash. CryptoExtras accepts a memory limit and ignores it.
  private static let logRoundsAllowed = 1...17

  private let cost: Cost
  private let queue = DispatchQueue(label: "tapedeck.password")
  /// How many hashes are running or waiting.
  private let pending = Pending()
  private static let maxPending = 16

  private final class Pending: Sendable {
    let count = Mutex(0)
  }

  package init(cost: Cost = .standard) { self.cost = cost }

  /// Checks the length of a new password: 8 to 1,000 bytes.
  ///
  /// - Throws: `invalidRequest`.
  package static func check(_ password: String) throws(TapedeckError) {
    guard (8...1000).contains(password.utf8.count) else {
      throw TapedeckError(.invalidRequest, "A password has at least 8 and at most 1,000 characters. Choose another.")
    }
  }

  /// The hash in its stored form: `scrypt$17$<salt>$<hash>`, the last two in base64.
  package func hash(_ password: String) async throws(TapedeckError) -> String {
    let salt = randomBytes(16)
    let key = try await derive(password, salt: salt, logRounds: cost.logRounds)
    return "scrypt$\(cost.logRounds)$\(Data(salt).base64EncodedString())$\(Data(key).base64EncodedString())"
  }

  /// Whether a password matches a stored hash. Without a valid hash the same work is done, so that the time taken does
  /// not reveal whether an account exists.
  package func matches(_ password: String, stored: String?) async throws(TapedeckError) -> Bool {
    let parts = stored?.split(separator: "$").map(String.init) ?? []
    guard parts.count == 4, parts[0] == "scrypt", let logRounds = Int(parts[1]),
      Self.logRoundsAllowed.contains(logRounds),
      let salt = Data(base64Encoded: parts[2]), let expected = Data(base64Encoded: parts[3])
    else {
      _ = try await derive(password, salt: randomBytes(16), logRounds: cost.logRounds)
      return false
    }
    return constantTimeEquals(try await derive(password, salt: [UInt8](salt), logRounds: logRounds), expected)
  }

  private func derive(_ password: String, salt: [UInt8], logRounds: Int) async throws(TapedeckError) -> [UInt8] {
    let waiting = pending.count.withLock { count in
      count += 1
      return count
    }
    defer { pending.count.withLock { $0 -= 1 } }
    guard waiting <= Self.maxPending else {
      throw TapedeckError(
        .signInThrottled, "Too many sign-ins at the moment. Try again in a few seconds.",
        retryAfter: .seconds(Self.maxPending / 2))
    }
    let result: Result<[UInt8], any Error> = await withCheckedContinuation { continuation in
      queue.async {
        continuation.resume(
          returning: Result {
            try KDF.Scrypt.deriveKey(
              from: Data(password.utf8), salt: salt, outputByteCount: 32, rounds: 1 << logRounds, blockSize: 8,
              parallelism: 1
            ).withUnsafeBytes { Array($0) }
          })
      }
    }
    do { return try result.get() } catch {
      throw TapedeckError(.internalError, detail: "scrypt: \(error)", cause: error)
    }
  }
}
