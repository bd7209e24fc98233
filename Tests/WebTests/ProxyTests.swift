import HummingbirdTesting
import Model
import Testing
import Web

/// The client's address behind proxies.
@Suite(.timeLimit(.minutes(5)))
struct ProxyTests {
  static let good = [
    "", " ", "10.0.0.0/8", "10.0.0.0/8, ::1", "127.0.0.1", "::1/128", "0.0.0.0/0", "::/0", "192.168.1.7/32,fe80::/10",
    ",,,10.0.0.1,,",
  ]

  @Test(arguments: good)
  func `addresses and networks are read`(list: String) throws {
    _ = try TrustedProxies(list)
  }

  static let bad = [
    "/", "/8", "10.0.0.0/", "10.0.0.0/33", "::1/129", "10.0.0.0/-1", "10.0.0.0/8/8", "10.0.0", "host.example",
    "10.0.0.0/x",
    "1.2.3.4:80", "[::1]", "999.1.1.1", "//", "10.0.0.0/99999999999999999999", "é",
  ]

  @Test(arguments: bad)
  func `anything else is refused with the setting's name`(list: String) throws {
    do {
      _ = try TrustedProxies(list)
      Issue.record("'\(list)' was accepted")
    } catch {
      #expect(error.code == .configurationInvalid)
      #expect(error.message.contains("TAPEDECK_TRUSTED_PROXIES"))
    }
  }

  /// The address in the access log, for a peer of 127.0.0.1.
  struct Case: Sendable, CustomTestStringConvertible {
    var proxies: String
    var forwarded: String?
    var address: String

    init(_ proxies: String, _ forwarded: String?, _ address: String) {
      self.proxies = proxies
      self.forwarded = forwarded
      self.address = address
    }

    var testDescription: String { "\(proxies): \(forwarded ?? "nothing")" }
  }

  static let cases: [Case] = [
    Case("", nil, "127.0.0.1"),
    Case("", "203.0.113.9", "127.0.0.1"),
    Case("10.0.0.0/8", "203.0.113.9", "127.0.0.1"),
    Case("127.0.0.0/8", nil, "127.0.0.1"),
    Case("127.0.0.0/8", "203.0.113.9", "203.0.113.9"),
    Case("127.0.0.1", "198.51.100.1, 203.0.113.9", "203.0.113.9"),
    Case("127.0.0.1, 203.0.113.0/24", "198.51.100.1, 203.0.113.9", "198.51.100.1"),
    Case("127.0.0.1, 203.0.113.0/25", "198.51.100.1, 203.0.113.129", "203.0.113.129"),
    Case("127.0.0.1", "203.0.113.9,", "203.0.113.9"),
    Case("127.0.0.1", "203.0.113.9, unknown", "127.0.0.1"),
    Case("127.0.0.1", "<script>", "127.0.0.1"),
    Case("127.0.0.1", "", "127.0.0.1"),
    Case("127.0.0.1", "2001:db8::7", "2001:db8::7"),
    Case("127.0.0.1", "::ffff:203.0.113.9", "203.0.113.9"),
    Case("::ffff:127.0.0.1", "::FFFF:cb00:7109, ::ffff:127.0.0.1", "203.0.113.9"),
    Case("127.0.0.1, 10.0.0.0/8", "198.51.100.1, ::ffff:10.1.2.3", "198.51.100.1"),
    Case("127.0.0.1", "203.0.113.9:5678", "203.0.113.9"),
    Case("127.0.0.1, 10.0.0.0/8", "198.51.100.1:1, 10.1.2.3:65535", "198.51.100.1"),
    Case("127.0.0.1", "[2001:db8::7]", "2001:db8::7"),
    Case("127.0.0.1", "[2001:db8::7]:443", "2001:db8::7"),
    Case("127.0.0.1", "\"[2001:db8::7]:443\"", "2001:db8::7"),
    Case("127.0.0.1", "\"203.0.113.9\"", "203.0.113.9"),
    Case("127.0.0.1", "[::ffff:203.0.113.9]:80", "203.0.113.9"),
    Case("127.0.0.1", "::7", "::7"),
    Case("127.0.0.1", "203.0.113.9:", "127.0.0.1"),
    Case("127.0.0.1", "203.0.113.9:65536", "127.0.0.1"),
    Case("127.0.0.1", "[203.0.113.9]:80", "127.0.0.1"),
    Case("127.0.0.1", "[2001:db8::7", "127.0.0.1"),
    Case("127.0.0.1", "[2001:db8::7]443", "127.0.0.1"),
    Case("127.0.0.1", "\"203.0.113.9", "127.0.0.1"),
    Case("0.0.0.0/0", "198.51.100.1, 203.0.113.9", "127.0.0.1"),
  ]

  @Test(arguments: cases)
  func `the client is the last address that is not a trusted proxy`(hops: Case) async throws {
    var options = WebFixture.Options(proxies: try TrustedProxies(hops.proxies))
    options.setup = .live
    try await WebFixture.run(options) { fixture in
      let headers = hops.forwarded.map { ["X-Forwarded-For": $0] } ?? [:]
      let answer = try await fixture.get("/api/v1/recordings", as: .agent, headers: headers)
      #expect(answer.status == 200)
      #expect(try await fixture.logged(.list).first?.origin?.address == hops.address)
    }
  }
}
