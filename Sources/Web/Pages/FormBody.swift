import Access
import Foundation
import Hummingbird
import Model

/// A posted form.
struct FormBody: Sendable {
  private let fields: [String: String]

  /// - Throws: `requestTooLarge` above 16 KiB, `invalidRequest` for another content type.
  init(_ request: Request) async throws {
    guard request.headers[.contentType]?.hasPrefix("application/x-www-form-urlencoded") == true else {
      throw TapedeckError(.invalidRequest, "This request must contain form data.")
    }
    let body = try await request.body.collect(upTo: 16 << 10)
    fields = Dictionary(formFields(String(buffer: body)).map { ($0.name, $0.value) }) { $1 }
  }

  subscript(name: String) -> String { fields[name] ?? "" }

  /// - Throws: `crossSiteRequest` unless the form holds the token of its page.
  func requireToken(_ token: String?) throws(TapedeckError) {
    guard let token, !token.isEmpty, constantTimeEquals(Array(self["csrf"].utf8), Array(token.utf8)) else {
      throw TapedeckError(.crossSiteRequest)
    }
  }
}
