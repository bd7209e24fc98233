import Foundation
package import Model

/// The receiver of webhook messages, and the signer that authenticates them.
///
/// The URL comes from the operator's environment or file and is trusted, including http and private networks.
package struct WebhookEndpoint: Sendable {
  package let url: String
  package let signer: WebhookSigner

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
    self.url = url
    self.signer = signer
  }
}

extension WebhookEndpoint: CustomStringConvertible {
  /// The host only, because path and query can contain the receiver's secret.
  package var description: String { "WebhookEndpoint(\(URLComponents(string: url)?.host ?? ""))" }
}
