import Crypto
import Foundation
package import Model
import Synchronization

/// Signs requests as AWS Signature Version 4 asks, in the header `Authorization`.
package final class SigV4Signer: Sendable {
  private static let algorithm = "AWS4-HMAC-SHA256"

  private let credentials: S3Credentials
  private let region: String
  private let service: String
  /// The key of one day. Four rounds of HMAC are saved for every request but the day's first.
  private let derived = Mutex<(day: String, key: SymmetricKey)?>(nil)

  package init(credentials: S3Credentials, region: String, service: String = "s3") {
    self.credentials = credentials
    self.region = region
    self.service = service
  }

  /// The value of `x-amz-date`: `20150830T123600Z`.
  package static func time(_ moment: Instant) -> String { moment.iso8601.filter { $0 != "-" && $0 != ":" } }

  /// The value of `Authorization`. `moment` has to be the one in the request's `x-amz-date`.
  package func authorization(for request: CanonicalRequest, at moment: Instant) -> String {
    let credential = "\(credentials.accessKeyID)/\(scope(Self.time(moment)))"
    return "\(Self.algorithm) Credential=\(credential), SignedHeaders=\(request.signedHeaders), "
      + "Signature=\(signature(of: request, at: moment))"
  }

  package func stringToSign(_ request: CanonicalRequest, at moment: Instant) -> String {
    let time = Self.time(moment)
    return [Self.algorithm, time, scope(time), hex(SHA256.hash(data: Array(request.text.utf8)))]
      .joined(separator: "\n")
  }

  /// In hexadecimal.
  package func signature(of request: CanonicalRequest, at moment: Instant) -> String {
    let text = stringToSign(request, at: moment)
    return hex(code(text, key(of: String(Self.time(moment).prefix(8)))))
  }

  private func scope(_ time: String) -> String { "\(time.prefix(8))/\(region)/\(service)/aws4_request" }

  private func key(of day: String) -> SymmetricKey {
    if let known = derived.withLock({ $0 }), known.day == day { return known.key }
    let secret = SymmetricKey(data: Array("AWS4\(credentials.secretAccessKey)".utf8))
    let key = [day, region, service, "aws4_request"].reduce(secret) { SymmetricKey(data: code($1, $0)) }
    derived.withLock { $0 = (day, key) }
    return key
  }

  private func code(_ text: String, _ key: SymmetricKey) -> HMAC<SHA256>.MAC {
    HMAC<SHA256>.authenticationCode(for: Array(text.utf8), using: key)
  }
}
