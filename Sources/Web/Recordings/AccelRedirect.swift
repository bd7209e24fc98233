import HTTPTypes
import Model
import NIOCore

/// Lets a proxy of nginx's kind send the files of a local object store: the response names the file in `X-Accel-Redirect`.
///
/// Access is checked and logged before. Only requests that come from a trusted proxy get such a response.
package struct AccelRedirect: Sendable {
  private let location: String
  private let proxies: TrustedProxies

  /// - Parameter location: the path of the proxy's internal location of the objects, such as `/tapedeck-objects/`.
  package init(location: String, proxies: TrustedProxies) {
    self.location = location.hasSuffix("/") ? location : location + "/"
    self.proxies = proxies
  }

  /// The value of the header; nil when Tapedeck sends the file itself.
  func path(of object: ObjectName, for context: WebContext) -> String? {
    guard let peer = context.channel.remoteAddress?.ipAddress, proxies.contains(peer) else { return nil }
    return location + object.description
  }
}

extension HTTPField.Name {
  static let accelRedirect = HTTPField.Name("X-Accel-Redirect")!  // The name is a valid token.
}
