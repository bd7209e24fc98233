package import AsyncHTTPClient
import Foundation
package import Model
import NIOCore
import NIOSSL

extension HTTPClient {
  /// How often a closed connection is replaced: the second one may also have been idle.
  private static var maxReplacements: Int { 2 }

  /// Sends a request that may be repeated, and returns when the response headers arrive.
  ///
  /// A server may close a kept-alive connection at the moment it is used again. The request is then sent at once over
  /// another connection, which counts neither as an attempt nor as a retry. The caller limits the time.
  package func send(
    repeating request: () -> HTTPClientRequest
  ) async throws -> HTTPClientResponse {
    var replacements = 0
    while true {
      do {
        // The client requires a deadline for the headers.
        return try await execute(request(), timeout: .hours(24))
      } catch {
        guard replacements < Self.maxReplacements, !_Concurrency.Task.isCancelled,
          ConnectionProblem.wasClosedUnanswered(error)
        else { throw error }
        replacements += 1
      }
    }
  }
}

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
      certificates = try NIOSSLCertificate.fromPEMFile(path)
    } catch {
      throw TapedeckError(
        .configurationInvalid, "SSL_CERT_FILE must name a readable file with certificates in PEM.", cause: error)
    }
    var adapted = self
    var tls = tlsConfiguration ?? .makeClientConfiguration()
    tls.additionalTrustRoots.append(.certificates(certificates))
    adapted.tlsConfiguration = tls
    return adapted
  }
}
