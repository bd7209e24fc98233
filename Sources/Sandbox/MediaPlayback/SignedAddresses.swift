import Foundation
import Model
import Synchronization

/// The signed addresses that the media API has issued, and when they lapse.
final class SignedAddresses: Sendable {
  /// What an address leads to.
  struct Target: Sendable {
    var contactID: String
    var part: Int
    var lapsesAt: Instant
  }

  private struct State {
    var port: Int?
    var issued = 0
    var targets: [String: Target] = [:]
  }

  private let lifetime: Duration
  private let system: SystemServices
  private let state = Mutex(State())

  init(lifetime: Duration, system: SystemServices) {
    self.lifetime = lifetime
    self.system = system
  }

  /// The port of the media host; nil before it runs.
  var port: Int? {
    get { state.withLock { $0.port } }
    set { state.withLock { $0.port = newValue } }
  }

  /// Issues an address; lapsed ones are removed. Nil before the media host runs.
  func issue(_ contactID: String, part: Int) -> String? {
    let now = system.now()
    let random = String(UInt64(system.random() * 1e15), radix: 36)
    return state.withLock { state in
      guard let port = state.port else { return nil }
      state.targets = state.targets.filter { $0.value.lapsesAt > now }
      state.issued += 1
      let signature = "sandboxsignature\(random)x\(state.issued)"
      state.targets[signature] = Target(contactID: contactID, part: part, lapsesAt: now + lifetime)
      return "http://127.0.0.1:\(port)/media/\(contactID)/\(part)?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Expires="
        + "\(Int(lifetime.inSeconds))&X-Amz-Signature=\(signature)"
    }
  }

  /// What a signature permits; nil when it was not issued, or has lapsed.
  func target(of signature: String) -> Target? {
    let now = system.now()
    return state.withLock { $0.targets[signature].flatMap { now < $0.lapsesAt ? $0 : nil } }
  }
}
