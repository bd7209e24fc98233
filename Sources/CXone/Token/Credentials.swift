import Model
import Synchronization

/// How client ID and secret are written in HTTP Basic authentication.
package enum BasicEncoding: String, Sendable, CaseIterable {
  /// Percent-encoded first, then plain when the platform does not accept the client; what worked is remembered.
  case automatic
  /// As RFC 6749 §2.3.1 requires.
  case encoded
  case plain
}

/// The credentials of a source in the forms to try.
final class Credentials: Sendable {
  struct Form: Sendable, Equatable {
    var clientID: String
    var clientSecret: String
  }

  private let known: [Form]
  private let accepted = Mutex<Form?>(nil)

  init(_ settings: SourceSettings) {
    let plain = Form(clientID: settings.clientID, clientSecret: settings.clientSecret)
    let encoded = Form(
      clientID: percentEncoded(settings.clientID), clientSecret: percentEncoded(settings.clientSecret))
    known =
      switch settings.basicEncoding {
      case .encoded: [encoded]
      case .plain: [plain]
      case .automatic: plain == encoded ? [encoded] : [encoded, plain]
      }
  }

  /// The one that was accepted last comes first.
  var forms: [Form] {
    guard let accepted = accepted.withLock({ $0 }) else { return known }
    return [accepted] + known.filter { $0 != accepted }
  }

  func accept(_ form: Form) { accepted.withLock { $0 = form } }
}
