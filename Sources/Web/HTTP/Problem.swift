import Foundation
import HTTPTypes
import Hummingbird
import Model
import NIOCore
import NIOHTTP1

extension HTTPField.Name {
  static let requestID = HTTPField.Name("X-Request-Id")!  // The name is a valid token.
  static let prefer = HTTPField.Name("Prefer")!  // The name is a valid token.
  static let reprDigest = HTTPField.Name("Repr-Digest")!  // The name is a valid token.
  static let secFetchSite = HTTPField.Name("Sec-Fetch-Site")!  // The name is a valid token.
  static let forwardedFor = HTTPField.Name("X-Forwarded-For")!  // The name is a valid token.
}

/// An error as problem details (RFC 9457), with a stable `code`.
struct Problem: Encodable {
  let type = "about:blank"
  let title: String
  let status: Int
  let code: String
  let detail: String
  let help: String?
  let requestId: String

  init(_ error: TapedeckError, requestID: String) {
    status = error.code.httpStatus
    // HTTPTypes has the phrases of its named constants only.
    title = HTTPResponseStatus(statusCode: status).reasonPhrase
    code = error.code.rawValue
    // Messages repeat parts of the request, where a secret may have been pasted, and of the platform's answers.
    detail = Redactor.shared.redactSecrets(error.message)
    help = error.help
    requestId = requestID
  }

  func response(_ error: TapedeckError) -> Response {
    var response = Response.json(self, status: HTTPResponse.Status(code: status))
    response.headers[.contentType] = "application/problem+json"
    if let retryAfter = error.retryAfter {
      response.headers[.retryAfter] = "\(Int(retryAfter.inSeconds.rounded(.up)))"
    }
    if error.code == .unauthenticated { response.headers[.wwwAuthenticate] = "Bearer" }
    return response
  }
}

extension Response {
  /// A JSON response with sorted keys that is not cached.
  static func json(_ value: some Encodable, status: HTTPResponse.Status = .ok) -> Response {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    guard let data = try? encoder.encode(value) else { return Response(status: .internalServerError) }
    return Response(
      status: status, headers: [.contentType: "application/json", .cacheControl: "no-store"],
      body: .init(byteBuffer: ByteBuffer(bytes: data + [0x0A])))
  }

  static func html(_ text: String, status: HTTPResponse.Status = .ok) -> Response {
    Response(
      status: status, headers: [.contentType: "text/html; charset=utf-8", .cacheControl: "no-store"],
      body: .init(byteBuffer: ByteBuffer(string: text)))
  }

  /// 303, after which a browser sends GET.
  static func seeOther(_ path: String) -> Response {
    Response(status: .seeOther, headers: [.location: path, .cacheControl: "no-store"])
  }
}
