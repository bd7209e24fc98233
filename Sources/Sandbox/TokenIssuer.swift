import Model
import Synchronization

/// The issued tokens and their expiry times.
final class TokenIssuer: Sendable {
  private let system: SystemServices
  private let lifetime: Int
  private let state = Mutex(State())

  private struct State {
    var expiries: [String: Instant] = [:]
    /// Keeps tokens distinct even with fixed random numbers.
    var issued = 0
  }

  init(lifetime: Int, system: SystemServices) {
    self.lifetime = lifetime
    self.system = system
  }

  /// Issues a token; expired tokens are removed.
  ///
  /// - Parameter prefix: how the token begins.
  func issue(prefix: String = "sbx.") -> String {
    let parts = (0..<4).map { _ in String(UInt32(system.random() * 4_294_967_296), radix: 36) }
    let now = system.now()
    return state.withLock { state in
      state.expiries = state.expiries.filter { $0.value > now }
      state.issued += 1
      let separator = prefix == "sbx." ? "." : "-"
      let token = "\(prefix)\(parts.joined(separator: separator))\(separator)\(state.issued)"
      state.expiries[token] = now + .seconds(lifetime)
      return token
    }
  }

  func accepts(_ token: String) -> Bool {
    let now = system.now()
    return state.withLock { $0.expiries[token].map { $0 > now } ?? false }
  }
}
