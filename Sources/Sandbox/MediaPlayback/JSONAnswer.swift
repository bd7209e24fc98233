import Foundation
import HTTPTypes
import Hummingbird
import NIOCore

extension Response {
  /// An object as JSON, for answers whose fields differ from call to call.
  static func json(
    object: [String: Any], status: HTTPResponse.Status = .ok, headers: HTTPFields = [:]
  ) -> Response {
    var headers = headers
    headers[.contentType] = "application/json"
    let options: JSONSerialization.WritingOptions = [.sortedKeys, .withoutEscapingSlashes]
    guard let data = try? JSONSerialization.data(withJSONObject: object, options: options) else {
      return Response(status: .internalServerError)
    }
    return Response(status: status, headers: headers, body: ResponseBody(byteBuffer: ByteBuffer(bytes: data)))
  }
}

extension HTTPField.Name {
  /// Where the ACD writes what is wrong with a request.
  static let statusDescription = HTTPField.Name("icStatusDescription")!  // The name is a valid token.
}
