import Access
import Foundation
import Hummingbird
import Model

/// A posted form.
struct FormBody: Sendable {
  private let fields: [String: String]

  /// - Throws: `requestTooLarge` above 16 KiB, `invalidRequest` for anything that is no form.
  init(_ request: Request) async throws {
    guard request.headers[.contentType]?.hasPrefix("application/x-www-form-urlencoded") == true else {
      throw TapedeckError(.invalidRequest, "This address takes a form.")
    }
    let body = try await request.body.collect(upTo: 16 << 10)
    var fields: [String: String] = [:]
    for pair in String(buffer: body).split(separator: "&") {
      let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        .map { $0.replacing("+", with: " ").removingPercentEncoding ?? "" }
      fields[parts[0]] = parts.count == 2 ? parts[1] : ""
    }
    self.fields = fields
  }

  subscript(name: String) -> String { fields[name] ?? "" }

  /// - Throws: `crossSiteRequest` unless the form holds the token that its page was given.
  func requireToken(_ token: String?) throws(TapedeckError) {
    guard let token, !token.isEmpty, constantTimeEquals(Array(self["csrf"].utf8), Array(token.utf8)) else {
      throw TapedeckError(.crossSiteRequest)
    }
  }
}
