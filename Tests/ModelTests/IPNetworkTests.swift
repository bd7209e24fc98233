import Model
import Testing

@Suite struct IPNetworkTests {
  @Test(arguments: [
    ("10.0.0.0/8", "10.255.0.1", true), ("10.0.0.0/8", "11.0.0.1", false), ("10.0.0.7", "10.0.0.7", true),
    ("10.0.0.7", "10.0.0.8", false), ("192.0.2.128/25", "192.0.2.127", false), ("192.0.2.128/25", "192.0.2.129", true),
    ("0.0.0.0/0", "203.0.113.9", true), ("::1", "::1", true), ("2001:db8::/32", "2001:db8:1::5", true),
    ("2001:db8::/33", "2001:db8:8000::1", false), ("10.0.0.0/8", "::ffff:10.1.1.1", true), ("::/0", "10.0.0.1", false),
    ("10.0.0.0/8", "host", false),
  ])
  func `a network contains the addresses with its beginning`(network: String, address: String, isInside: Bool) throws {
    #expect(try #require(IPNetwork(network)).contains(address) == isInside)
  }

  @Test(arguments: [
    ("::ffff:10.0.0.1", "10.0.0.1"), ("::FFFF:a00:1", "10.0.0.1"), ("0:0:0:0:0:ffff:192.0.2.7", "192.0.2.7"),
    ("10.0.0.1", "10.0.0.1"), ("::1", "::1"), ("2001:db8::7", "2001:db8::7"), ("local", "local"), ("", ""),
  ])
  func `an IPv4 address has one form`(address: String, plain: String) {
    #expect(IPNetwork.plain(address) == plain)
  }

  @Test(arguments: ["", "host", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/", "::1/129", "10.0.0", "[::1]", "10.0.0.1:80"])
  func `other text is not a network`(text: String) { #expect(IPNetwork(text) == nil) }
}
