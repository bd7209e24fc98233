package import AsyncHTTPClient
import Foundation
package import Model
import NIOSSL

extension HTTPClient.Configuration {
  /// This configuration with the certificate authorities in the file that `SSL_CERT_FILE` names, in addition to those
  /// of the system.
  ///
  /// - Throws: `configurationInvalid` when the file cannot be read or has no certificate.
  package func adapted(
    to environment: [String: String] = ProcessInfo.processInfo.environment
  ) throws(TapedeckError) -> HTTPClient.Configuration {
    guard let path = environment["SSL_CERT_FILE"], !path.isEmpty else { return self }
    let certificates: [NIOSSLCertificate]
    do {
      certificates = try NIOSSLCertificate.fromPEMBytes([UInt8](RegularFile.bytes(at: path)))
    } catch {
      throw TapedeckError(
        .configurationInvalid, "SSL_CERT_FILE must name a readable file with certificates in PEM format.", cause: error)
    }
    var adapted = self
    var tls = tlsConfiguration ?? .makeClientConfiguration()
    tls.additionalTrustRoots.append(.certificates(certificates))
    adapted.tlsConfiguration = tls
    return adapted
  }
}
