import Crypto
import CryptoExtras
import Dispatch
import Foundation
package import Model
import Synchronization

/// Hashing and checking passwords with scrypt, a bounded number at a time on threads of its own.
///
/// One hash with the default cost takes 128 MiB and about 0.4 s, so it must neither block the server nor be asked for
/// without bound.
package struct PasswordHasher: Sendable {
  /// scrypt's cost: N = 2^`logRounds`, r = 8, p = 1 (OWASP ASVS 5.0: N = 2^17).
  package struct Cost: Sendable {
    package var logRounds: Int
    package init(logRounds: Int) { self.logRounds = logRounds }
    package static let standard = Cost(logRounds: 17)
  }

  /// What a hash may ask for at most. CryptoExtras takes a limit of memory and does not pass it on.
  private static let logRoundsAllowed = 1...17

  private let cost: Cost
  private let queue = DispatchQueue(label: "tapedeck.password")
  /// How many hashes are being made or wait for it.
  private let pending = Pending()
  private static let mostPending = 16

  private final class Pending: Sendable {
    let count = Mutex(0)
  }

  package init(cost: Cost = .standard) { self.cost = cost }

  /// What a password must be like, checked before it is hashed: 8 to 1,000 bytes.
  ///
  /// - Throws: `invalidRequest`.
  package static func check(_ password: String) throws(TapedeckError) {
    guard (8...1000).contains(password.utf8.count) else {
      throw TapedeckError(.invalidRequest, "A password has at least 8 and at most 1,000 characters.")
    }
  }

  /// The form that is stored: `scrypt$17$<salt>$<hash>`, the last two in base64.
  package func hash(_ password: String) async throws(TapedeckError) -> String {
    let salt = randomBytes(16)
    let key = try await derive(password, salt: salt, logRounds: cost.logRounds)
    return "scrypt$\(cost.logRounds)$\(Data(salt).base64EncodedString())$\(Data(key).base64EncodedString())"
  }

  /// Whether a password belongs to a stored hash. Without one the same work is done, so that the time does not tell
  /// whether an account exists.
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
    guard waiting <= Self.mostPending else {
      throw TapedeckError(
        .signInThrottled, "Too many people sign in at this moment. Try again in a few seconds.",
        retryAfter: .seconds(Self.mostPending / 2))
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

/// Compares without telling by its time where two secrets differ.
package func constantTimeEquals(_ left: some Collection<UInt8>, _ right: some Collection<UInt8>) -> Bool {
  guard left.count == right.count else { return false }
  return zip(left, right).reduce(UInt8(0)) { $0 | ($1.0 ^ $1.1) } == 0
}
