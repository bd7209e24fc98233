import AsyncHTTPClient
import Foundation
import Model
import NIOCore
import NIOHTTP1
import Synchronization

/// Signs in with an access key, by the current call or by the older one, which needs no client ID.
final class AccessKeySignIn: Sendable {
  private let access: MediaPlaybackAccess
  private let call: PlatformCall
  private let hosts: HostDiscovery
  private let credentials: Credentials
  private let tenant = Mutex<String?>(nil)

  init(_ access: MediaPlaybackAccess, call: PlatformCall, hosts: HostDiscovery) {
    self.access = access
    self.call = call
    self.hosts = hosts
    credentials = Credentials(call.settings)
  }

  /// The tenant that the last token names.
  var tenantID: String? { tenant.withLock { $0 } }

  /// Fetches a token. The documented renewal is to send the credentials again.
  ///
  /// - Throws: `platformCredentialsRefused`, and what every call throws.
  func fetchToken() async throws(TapedeckError) -> AccessToken {
    let settings = call.settings
    guard !settings.clientID.isEmpty else {
      let address = try await hosts.signInAddress()
      return try token(in: try await call.answer(to: olderRequest(address), endpoint: .token))
    }
    let forms = credentials.forms
    for (index, form) in forms.enumerated() {
      let answer = try await call.answer(to: request(form), endpoint: .token)
      if answer.refusesClient, index + 1 < forms.count { continue }
      let token = try self.token(in: answer)
      credentials.accept(form)
      return token
    }
    throw TapedeckError(.platformCredentialsRefused)
  }

  private func token(in answer: PlatformAnswer) throws(TapedeckError) -> AccessToken {
    let now = call.system.now()
    if let failure = MediaPlaybackFailures.failure(answer, of: .signIn, now: now) { throw failure }
    let token = try AccessToken(response: answer.body, now: now)
    Redactor.shared.renew("token of \(call.settings.id)", token.value)
    let object = PlatformJSON.object(answer.body)
    let claims = [token.value, object?["id_token"] as? String].compactMap { $0 }.compactMap(Self.tenantID)
    if let found = claims.first { tenant.withLock { $0 = found } }
    return token
  }

  /// `POST {issuer}/auth/token`.
  private func request(_ form: Credentials.Form) -> HTTPClientRequest {
    var request = call.request(url: access.issuerURL + "/auth/token")
    request.method = .POST
    MediaPlaybackClient.addHeaders(to: &request)
    request.headers.add(name: "Content-Type", value: "application/x-www-form-urlencoded")
    request.setBasicAuth(username: form.clientID, password: form.clientSecret)
    if let value = request.headers.first(name: "Authorization")?.split(separator: " ").last {
      Redactor.shared.renew("credentials of \(call.settings.id)", String(value))
    }
    // Access keys end with `====`, which has a meaning in a form.
    let fields = [
      ("grant_type", "password"), ("username", access.accessKeyID), ("password", access.accessKeySecret),
    ]
    let body = fields.map { "\($0)=\(percentEncoded($1))" }.joined(separator: "&")
    request.body = .bytes(ByteBuffer(string: body))
    return request
  }

  /// `POST {area}/authentication/v1/token/access-key`.
  private func olderRequest(_ address: String) -> HTTPClientRequest {
    var request = call.request(url: address + "/authentication/v1/token/access-key")
    request.method = .POST
    MediaPlaybackClient.addHeaders(to: &request)
    request.headers.add(name: "Content-Type", value: "application/json")
    let keys = ["accessKeyId": access.accessKeyID, "accessKeySecret": access.accessKeySecret]
    request.body = .bytes(ByteBuffer(string: PlatformJSON.written(keys)))
    return request
  }

  /// The claim `tenantId` of a JSON web token. Its signature is not checked: the token came from the issuer over TLS,
  /// and the claim only chooses which tenant is discovered.
  private static func tenantID(_ token: String) -> String? {
    let parts = token.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count == 3, let claims = bytes(base64URL: String(parts[1])) else { return nil }
    return LenientObject(PlatformJSON.value(claims[...]))?.text("tenantId", "tenant_id")
  }
}
