import Foundation
import HTTPTypes
import Hummingbird
import NIOCore

extension SandboxTenant {
  /// `POST /oauth2/token`.
  func addTokenEndpoint(to router: Router<SandboxContext>) {
    router.post("/oauth2/token") { request, context in
      try await exchange(.token, request, context) { exchange in try await token(exchange.request) }
    }
  }

  private struct TokenAnswer: Encodable {
    var accessToken: String
    var tokenType = "Bearer"
    var expiresIn: Int
    var scope: String

    enum CodingKeys: String, CodingKey {
      case accessToken = "access_token"
      case tokenType = "token_type"
      case expiresIn = "expires_in"
      case scope
    }
  }

  private func token(_ request: Request) async throws -> Response {
    guard request.headers[.contentType]?.lowercased().hasPrefix("application/x-www-form-urlencoded") == true else {
      throw Refusal(.badRequest, "invalid_request", "The body must be application/x-www-form-urlencoded.")
    }
    guard let form = try? await String(buffer: request.body.collect(upTo: 16_384)) else {
      throw Refusal(.badRequest, "invalid_request", "The body is too long.")
    }
    let fields = form.split(separator: "&")
    guard let grant = fields.first(where: { $0.hasPrefix("grant_type=") }) else {
      throw Refusal(.badRequest, "invalid_request", "The field grant_type is missing.")
    }
    guard grant == "grant_type=client_credentials" else {
      throw Refusal(.badRequest, "unsupported_grant_type", "Only client_credentials is supported.")
    }
    guard hasCredentials(request.headers[.authorization]) else {
      throw Refusal(
        .unauthorized, "invalid_client", "The client id or client secret is wrong.",
        headers: [.wwwAuthenticate: "Basic realm=\"sandbox\""])
    }
    return .json(
      TokenAnswer(
        accessToken: tokens.issue(), expiresIn: configuration.tokenLifetime,
        scope: configuration.scopes.joined(separator: " ")),
      headers: [.cacheControl: "no-store"])
  }

  /// Accepts ID and secret as they are, and percent-encoded as RFC 6749 requires: clients do both.
  func hasCredentials(_ header: String?) -> Bool {
    guard let header, header.lowercased().hasPrefix("basic "),
      let data = Data(base64Encoded: String(header.dropFirst(6)))
    else { return false }
    let text = String(decoding: data, as: UTF8.self)
    if text == "\(configuration.clientID):\(configuration.clientSecret)" { return true }
    let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
    return parts.count == 2 && String(parts[0]).removingPercentEncoding == configuration.clientID
      && String(parts[1]).removingPercentEncoding == configuration.clientSecret
  }
}
