import Foundation
package import Model

/// Where messages are sent, and what proves to the receiver that they are ours.
///
/// The address comes from the operator's environment or file and is trusted as it stands, http and private networks
/// included.
package struct WebhookEndpoint: Sendable {
  package let url: String
  package let signer: WebhookSigner

  /// - Throws: `configurationInvalid`, which names `QM_WEBHOOK_URL` and never shows its value.
  package init(url: String, signer: WebhookSigner) throws(TapedeckError) {
    guard let components = URLComponents(string: url), ["http", "https"].contains(components.scheme?.lowercased()),
      let host = components.host, !host.isEmpty, components.user == nil, components.password == nil,
      components.fragment == nil
    else {
      throw TapedeckError(
        .configurationInvalid,
        "QM_WEBHOOK_URL must be an http or https address without user name, password and fragment.")
    }
    self.url = url
    self.signer = signer
  }
}

extension WebhookEndpoint: CustomStringConvertible {
  /// The host alone: a path or a query may hold the receiver's secret.
  package var description: String { "WebhookEndpoint(\(URLComponents(string: url)?.host ?? ""))" }
}
