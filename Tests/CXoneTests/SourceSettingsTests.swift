import CXone
import Model
import Testing

@Suite struct SourceSettingsTests {
  func settings(
    _ baseURL: String, id: String = "client", secret: String = "canary", rate: Double = 10
  ) throws -> SourceSettings {
    try SourceSettings(baseURL: baseURL, clientID: id, clientSecret: secret, rate: rate)
  }

  @Test(arguments: [
    ("https://api.example.com", "https://api.example.com"),
    ("https://api.example.com/", "https://api.example.com"),
    ("https://api.example.com/tenant//", "https://api.example.com/tenant"),
    ("http://127.0.0.1:8090", "http://127.0.0.1:8090"),
    ("http://127.1.2.3", "http://127.1.2.3"),
    ("http://localhost:1/", "http://localhost:1"),
    ("http://[::1]:8090", "http://[::1]:8090"),
  ])
  func `an https URL is accepted, and http on loopback`(address: String, expected: String) throws {
    #expect(try settings(address).baseURL == expected)
  }

  @Test(arguments: [
    "", "api.example.com", "http://api.example.com", "ftp://127.0.0.1", "https://", "https://user:canary@host",
    "https://host/?q=canary", "https://host/#canary", "http://127.0.0.1.example.com", "http://127.0.0.256",
    "http://[::2]",
    "https://host name", "https://host:0", "https://host:65536", "https://host:99999999999999999999",
    "http://127.0.0.1:99999",
  ])
  func `other URLs are rejected with the name of the setting but not its value`(address: String) async {
    let error = await failure { _ = try settings(address) }
    #expect(error?.code == .configurationInvalid)
    #expect(error?.message.contains("CXONE_BASE_URL") == true)
    #expect(error.map { "\($0) \($0.detail ?? "")".contains("canary") } == false)
  }

  @Test func `each malformed setting is named`() async {
    let address = "https://api.example.com"
    #expect(await failure { _ = try settings(address, id: "") }?.message.contains("CXONE_CLIENT_ID") == true)
    #expect(await failure { _ = try settings(address, secret: "") }?.message.contains("CXONE_CLIENT_SECRET") == true)
    for rate in [-1, .nan, .infinity] {
      #expect(await failure { _ = try settings(address, rate: rate) }?.message.contains("CXONE_RATE") == true)
    }
  }

  @Test func `the secret is not printed`() throws {
    let settings = try settings("https://api.example.com")
    var dumped = ""
    dump(settings, to: &dumped)
    #expect(!"\(settings) \(String(reflecting: settings)) \(dumped)".contains("canary"))
  }
}
