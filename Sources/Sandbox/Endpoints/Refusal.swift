import Foundation
import HTTPTypes
import Hummingbird
import NIOCore

/// An error response.
struct Refusal: Error {
  var response: Response

  init(_ status: HTTPResponse.Status, _ error: String, _ message: String, headers: HTTPFields = [:]) {
    response = .json(["error": error, "message": message], status: status, headers: headers)
  }

  init(_ response: Response) { self.response = response }

  static func unknownRecording() -> Refusal { Refusal(.notFound, "not_found", "No such recording.") }

  static func invalidToken() -> Refusal {
    Refusal(
      .unauthorized, "invalid_token", "The access token is missing, wrong or expired.",
      headers: [.wwwAuthenticate: "Bearer error=\"invalid_token\""])
  }

  static func scopeMissing(_ scope: String) -> Refusal {
    Refusal(
      .forbidden, "insufficient_scope", "The token lacks the scope '\(scope)'.",
      headers: [.wwwAuthenticate: "Bearer error=\"insufficient_scope\", scope=\"\(scope)\""])
  }

  static func rateLimited(retryAfter: String?) -> Refusal {
    var headers = HTTPFields()
    if let retryAfter { headers[.retryAfter] = retryAfter }
    return Refusal(.tooManyRequests, "rate_limited", "Too many requests.", headers: headers)
  }
}

extension Response {
  /// A value as JSON.
  static func json(
    _ value: some Encodable, status: HTTPResponse.Status = .ok, headers: HTTPFields = [:]
  ) -> Response {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    var headers = headers
    headers[.contentType] = "application/json"
    guard let data = try? encoder.encode(value) else { return Response(status: .internalServerError) }
    return Response(status: status, headers: headers, body: ResponseBody(byteBuffer: ByteBuffer(bytes: data)))
  }
}
