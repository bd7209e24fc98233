import Foundation
package import Model

/// The receiver of webhook messages, and the signer that authenticates them.
///
/// The URL comes from the operator's environment or file and is trusted, including http and private networks.
package struct WebhookEndpoint: Sendable {
  package let url: String
  package let signer: WebhookSigner
  /// Applies to what the receiver answers only: elsewhere, these values could be ordinary words.
  private let redactor = Redactor()

  /// - Throws: `configurationInvalid`, which names `QM_WEBHOOK_URL` but not its value.
  package init(url: String, signer: WebhookSigner) throws(TapedeckError) {
    guard let components = URLComponents(string: url), ["http", "https"].contains(components.scheme?.lowercased()),
      let host = components.host, !host.isEmpty, components.user == nil, components.password == nil,
      components.fragment == nil
    else {
      throw TapedeckError(
        .configurationInvalid,
        "QM_WEBHOOK_URL must be an http or https URL without user name, password and fragment.")
    }
    guard components.hasUsablePort else {
      throw TapedeckError(.configurationInvalid, "QM_WEBHOOK_URL must have a port from 1 to 65535, or none.")
    }
    self.url = url
    self.signer = signer
    let segments = components.percentEncodedPath.split(separator: "/").map(String.init)
    let values = (components.percentEncodedQuery ?? "").split(separator: "&").map { item in
      String(item.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).last ?? "")
    }
    for secret in segments.filter({ $0.utf8.count >= Self.longSegment }) + values {
      redactor.add(secret)
      redactor.add(secret.removingPercentEncoding ?? secret)
      redactor.add(secret.replacing("+", with: " ").removingPercentEncoding ?? secret)
    }
  }

  /// Shorter segments of a path are words such as `webhooks`.
  private static let longSegment = 16

  /// The receiver's text without secrets: path and query of its address can contain one.
  func redact(_ text: String) -> String { Redactor.shared.redact(redactor.redact(text)) }
}

extension WebhookEndpoint: CustomStringConvertible {
  /// The host only, because path and query can contain the receiver's secret.
  package var description: String { "WebhookEndpoint(\(URLComponents(string: url)?.host ?? ""))" }
}
