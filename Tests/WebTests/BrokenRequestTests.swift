import HummingbirdTesting
import Logging
import Model
import Synchronization
import TestKit
import Testing
import Web

/// Requests whose body is malformed or cut off.
@Suite(.timeLimit(.minutes(5)))
struct BrokenRequestTests {
  private static let chunked = "POST /login HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"

  @Test(arguments: [
    (chunked + "zz\r\n", false), (chunked + "4\r\nabcd\r\n-1\r\n", false), (chunked + "fffffffffffffffff\r\n", false),
    (chunked + "0\r\na b: c\r\n\r\n", false), (chunked + "0\r\na: \u{0}\r\n\r\n", false),
    (chunked + "0\r\na: " + String(repeating: "x", count: 100_000) + "\r\n\r\n", false),
    (chunked + "4\r\nab", true), ("POST /login HTTP/1.1\r\nHost: a\r\nContent-Length: 50\r\n\r\nname=a", true),
  ])
  func `a body that is malformed or cut off is the client's error`(request: String, endsInput: Bool) async throws {
    var options = WebFixture.Options()
    options.setup = .live
    try await WebFixture.run(options) { fixture in
      let port = try #require(fixture.client.port)
      let bytes = try await RawConnection.exchange(port: port, request: request, endsInput: endsInput)
      let answer = String(decoding: bytes, as: UTF8.self)
      #expect(answer.hasPrefix("HTTP/1.1 400 ") && !answer.contains("internal_error"), "\(answer.prefix(400))")
    }
  }

  @Test(arguments: ["/", "/api/v1/recordings/", "/play/", "/audio/%25"])
  func `a long path is logged in part`(prefix: String) async throws {
    let log = RecordedLog()
    var options = WebFixture.Options()
    options.log = log
    try await WebFixture.run(options) { fixture in
      _ = try await fixture.get(prefix + String(repeating: "x", count: 20_000))
    }
    #expect(log.values(of: "path").contains { $0.hasPrefix(prefix) })
    for value in log.values { #expect(value.utf8.count <= 600) }
  }
}
