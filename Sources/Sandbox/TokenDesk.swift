import Model
import Synchronization

/// The tokens that are out, and until when each is accepted.
final class TokenDesk: Sendable {
  private let surroundings: Surroundings
  private let lifetime: Int
  private let state = Mutex(State())

  private struct State {
    var expiries: [String: Instant] = [:]
    /// Keeps tokens apart even where chance is fixed.
    var issued = 0
  }

  init(lifetime: Int, surroundings: Surroundings) {
    self.lifetime = lifetime
    self.surroundings = surroundings
  }

  /// A new token; those that have lapsed are forgotten.
  func issue() -> String {
    let parts = (0..<4).map { _ in String(UInt32(surroundings.random() * 4_294_967_296), radix: 36) }
    let now = surroundings.now()
    return state.withLock { state in
      state.expiries = state.expiries.filter { $0.value > now }
      state.issued += 1
      let token = "sbx.\(parts.joined(separator: ".")).\(state.issued)"
      state.expiries[token] = now + .seconds(lifetime)
      return token
    }
  }

  func accepts(_ token: String) -> Bool {
    let now = surroundings.now()
    return state.withLock { $0.expiries[token].map { $0 > now } ?? false }
  }
}
