import Foundation
import Model
import NIOCore

extension AccessToken {
  /// Reads the answer of the token call; a lifetime given as text is taken too, a missing one counts as five minutes.
  ///
  /// - Throws: `platformProtocol`.
  init(answer body: ByteBuffer, now: Instant) throws(TapedeckError) {
    guard let object = PlatformJSON.object(body), let value = object["access_token"] as? String, !value.isEmpty,
      // It goes into a header as it is.
      value.utf8.allSatisfy({ (0x21...0x7E).contains($0) })
    else {
      throw TapedeckError(.platformProtocol, "The platform's token call answered without a token. Check the base URL.")
    }
    let scopes = (object["scope"] as? String).map { Set($0.split(separator: " ").map(String.init)) }
    self.init(
      value: value, expiresIn: PlatformJSON.wholeNumber(object["expires_in"]) ?? 300, scopes: scopes, now: now)
  }
}
