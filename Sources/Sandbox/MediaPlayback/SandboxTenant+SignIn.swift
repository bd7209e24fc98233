import Foundation
import HTTPTypes
import Hummingbird
import Model
import NIOCore

extension SandboxTenant {
  /// The area that discovery names.
  static let area = "sandbox"

  /// `POST /auth/token`, `POST /authentication/v1/token/access-key` and `GET /.well-known/cxone-configuration`.
  func addSignInEndpoints(to router: Router<SandboxContext>) {
    router.post("/auth/token") { request, context in
      try await exchange(.token, request, context) { exchange in try await signIn(exchange.request) }
    }
    router.post("/authentication/v1/token/access-key") { request, context in
      try await exchange(.token, request, context) { exchange in try await signInWithKeyOnly(exchange.request) }
    }
    router.get("/.well-known/cxone-configuration") { request, context in
      try await exchange(.token, request, context) { exchange in try discovery(exchange.request) }
    }
  }

  private func signIn(_ request: Request) async throws -> Response {
    guard hasCredentials(request.headers[.authorization]) else {
      throw Refusal(.unauthorized, "invalid_client", "Client authentication failed.")
    }
    let fields = try await form(request)
    guard fields["grant_type"] == "password" else {
      throw Refusal(.badRequest, "unsupported_grant_type", "The grant type is not supported.")
    }
    guard fields["username"] == configuration.accessKeyID, fields["password"] == configuration.accessKeySecret else {
      throw Refusal(.badRequest, "invalid_grant", "The user name or password is wrong.")
    }
    return .json(
      object: [
        "access_token": token(), "refresh_token": "sandbox-refresh", "id_token": "x", "token_type": "Bearer",
        "expires_in": configuration.tokenLifetime,
      ])
  }

  private func signInWithKeyOnly(_ request: Request) async throws -> Response {
    guard let body = try? await request.body.collect(upTo: 16_384),
      let keys = try? JSONDecoder().decode([String: String].self, from: Data(body.readableBytesView))
    else { throw Refusal(.badRequest, "invalid_request", "The body must be JSON.") }
    guard keys["accessKeyId"] == configuration.accessKeyID, keys["accessKeySecret"] == configuration.accessKeySecret
    else { throw Refusal(.unauthorized, "invalid_access_key", "The access key is wrong.") }
    // Some versions send the lifetime as text.
    return .json(
      object: [
        "access_token": token(), "refresh_token": "sandbox-refresh", "expires_in": "\(configuration.tokenLifetime)",
      ])
  }

  /// A JSON web token whose claims name the tenant; its signature is the secret part.
  private func token() -> String {
    let claims = #"{"iss":"sandbox","tenantId":"\#(configuration.tenantID)"}"#
    return tokens.issue(prefix: "\(base64URL("{}".utf8)).\(base64URL(claims.utf8)).")
  }

  private func discovery(_ request: Request) throws(Refusal) -> Response {
    guard request.uri.queryParameters.get("tenantId") == configuration.tenantID else {
      throw Refusal(.notFound, "not_found", "There is no such tenant.")
    }
    return .json(
      object: [
        "area": Self.area, "cluster": "sandbox-1", "domain": "niceincontact.com",
        "api_endpoint": "http://\(request.head.authority ?? configuration.listenHost)",
        "tenantId": configuration.tenantID,
      ])
  }

  private func form(_ request: Request) async throws -> [String: String] {
    guard request.headers[.contentType]?.lowercased().hasPrefix("application/x-www-form-urlencoded") == true,
      let text = try? await String(buffer: request.body.collect(upTo: 16_384))
    else { throw Refusal(.badRequest, "invalid_request", "The body must be application/x-www-form-urlencoded.") }
    var fields: [String: String] = [:]
    for field in text.split(separator: "&") {
      let parts = field.split(separator: "=", omittingEmptySubsequences: false)
      // An access key that is not encoded ends with more `=`, and is not understood, as on the platform.
      guard parts.count == 2, let value = percentDecoded(parts[1].replacing("+", with: " ")) else { continue }
      fields[String(parts[0])] = value
    }
    return fields
  }
}
