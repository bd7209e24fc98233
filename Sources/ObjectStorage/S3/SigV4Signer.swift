import Crypto
import Foundation
package import Model
import Synchronization

/// Signs requests with AWS Signature Version 4, in the header `Authorization`.
package final class SigV4Signer: Sendable {
  private static let algorithm = "AWS4-HMAC-SHA256"

  private let credentials: S3Credentials
  private let region: String
  private let service: String
  /// The signing key of one day, cached to save four HMAC operations for each request.
  private let derived = Mutex<(day: String, key: SymmetricKey)?>(nil)

  package init(credentials: S3Credentials, region: String, service: String = "s3") {
    self.credentials = credentials
    self.region = region
    self.service = service
  }

  /// The value of `x-amz-date`: `20150830T123600Z`.
  package static func time(_ moment: Instant) -> String { moment.iso8601.filter { $0 != "-" && $0 != ":" } }

  /// The value of `Authorization`. `moment` must be the one in the request's `x-amz-date`.
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

/// The access key of an S3 service, with a session token when the key is temporary. Its description hides the values.
package struct S3Credentials: Sendable, Equatable {
  package let accessKeyID: String
  let secretAccessKey: String
  let sessionToken: String?

  /// - Throws: `configurationInvalid`, which names the setting but not its value.
  package init(
    accessKeyID: String, secretAccessKey: String, sessionToken: String? = nil
  ) throws(TapedeckError) {
    for (setting, value) in [
      ("AWS_ACCESS_KEY_ID", accessKeyID), ("AWS_SECRET_ACCESS_KEY", secretAccessKey),
      ("AWS_SESSION_TOKEN", sessionToken ?? "-"),
    ] where value.isEmpty || !value.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) {
      throw TapedeckError(
        .configurationInvalid, "\(setting) must consist of printable characters without spaces, and must not be empty.")
    }
    self.accessKeyID = accessKeyID
    self.secretAccessKey = secretAccessKey
    self.sessionToken = sessionToken
  }
}

extension S3Credentials: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
  package var description: String { "S3Credentials(<redacted>)" }
  package var debugDescription: String { description }
  package var customMirror: Mirror { Mirror(self, children: []) }
}
