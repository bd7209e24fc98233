import Foundation
import Model
import Testing

@Suite struct TextTests {
  // MARK: Numbers

  @Test(arguments: [
    (0, "0"), (7, "7"), (999, "999"), (1000, "1,000"), (-1234, "-1,234"), (3_091_456, "3,091,456"),
    (Int64.min, "-9,223,372,036,854,775,808"),
  ])
  func `thousands are grouped`(number: Int64, text: String) {
    #expect(grouped(number) == text)
  }

  @Test(arguments: [
    (0.04, 1, "0.0"), (12.25, 1, "12.3"), (1234.56, 1, "1,234.6"), (999.96, 1, "1,000.0"), (-0.5, 2, "-0.50"),
    (1234.5, 0, "1,235"), (7.25, 2, "7.25"), (.nan, 1, "0.0"), (.infinity, 0, "1,000,000,000,000,000"),
  ])
  func `thousands of decimal numbers are grouped`(number: Double, decimals: Int, text: String) {
    #expect(grouped(number, decimals: decimals) == text)
  }

  @Test func `a number has its noun in the singular or plural`() {
    #expect(counted(1, "entry", plural: "entries") == "1 entry")
    #expect(counted(1204, "entry", plural: "entries") == "1,204 entries")
    #expect(counted(0, "byte") == "0 bytes")
  }

  // MARK: Percent-encoding

  @Test(arguments: [
    ("", ""), ("AZaz09-._~", "AZaz09-._~"), ("a b+c/d", "a%20b%2Bc%2Fd"), ("100%", "100%25"), ("é", "%C3%A9"),
    ("\u{0}\u{7F}", "%00%7F"), ("🎧", "%F0%9F%8E%A7"),
  ])
  func `every byte except unreserved ones is percent-encoded`(text: String, expected: String) {
    #expect(percentEncoded(text) == expected)
    #expect(percentDecoded(expected) == text)
  }

  @Test func `other characters can be kept or encoded`() {
    #expect(percentEncoded("/a b/~c", keeping: "-._~/") == "/a%20b/~c")
    #expect(percentEncoded("/a~-._", keeping: "-._") == "%2Fa%7E-._")
    #expect(percentEncoded("a-b", keeping: "") == "a%2Db")
  }

  @Test func `encoding agrees with Foundation for every ASCII character`() {
    let unreserved = CharacterSet(
      charactersIn: "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
    for byte in UInt8(0)..<0x80 {
      let text = String(Character(Unicode.Scalar(byte)))
      #expect(percentEncoded(text) == text.addingPercentEncoding(withAllowedCharacters: unreserved))
    }
  }

  @Test(arguments: ["%", "%4", "%4g", "%zz", "a%2", "%%41", "%FF", "%C3", "%ED%A0%80"])
  func `malformed escapes and invalid UTF-8 are not decoded`(text: String) {
    #expect(percentDecoded(text) == nil)
  }

  @Test func `decoding happens once, accepts both cases and leaves a plus sign`() {
    #expect(percentDecoded("%2541") == "%41")
    #expect(percentDecoded("%c3%A9+") == "é+")
  }

  // MARK: Hexadecimal and base64

  @Test func `every byte survives hexadecimal`() {
    let all = Array(UInt8.min ... .max)
    #expect(hex([0, 9, 10, 15, 16, 255]) == "00090a0f10ff")
    #expect(bytes(hexadecimal: hex(all)) == all)
    #expect(bytes(hexadecimal: hex(all).uppercased()) == all)
    #expect(bytes(hexadecimal: "") == [])
  }

  @Test(arguments: ["0", "abc", "0g", "g0", " 00", "0x00", "é0", "+1"])
  func `malformed hexadecimal is rejected`(text: String) {
    #expect(bytes(hexadecimal: text) == nil)
    #expect(base64(hexadecimal: text) == nil)
  }

  @Test func `hexadecimal digits are converted to base64`() {
    #expect(base64(hexadecimal: "00ff10") == "AP8Q")
    #expect(base64(hexadecimal: "fb") == "+w==")
  }

  @Test(arguments: [([], ""), ([0xFB], "-w"), ([0xFF, 0xFF], "__8"), ([1, 2, 3], "AQID"), ([1, 2, 3, 4], "AQIDBA")])
  func `URL-safe base64 has no padding and is read back`(decoded: [UInt8], text: String) {
    #expect(base64URL(decoded) == text)
    #expect(bytes(base64URL: text) == decoded)
  }

  @Test(arguments: ["A", "A*", "AQID=A"])
  func `malformed base64 is rejected`(text: String) {
    #expect(bytes(base64URL: text) == nil)
  }

  @Test func `an opaque id has its prefix and 96 random bits`() {
    let ids = (0..<100).map { _ in makeOpaqueID("acc") }
    #expect(Set(ids).count == 100)
    #expect(ids.allSatisfy { $0.hasPrefix("acc_") && bytes(hexadecimal: String($0.dropFirst(4)))?.count == 12 })
  }

  // MARK: ASCII

  @Test(arguments: [
    ("", ""), ("a", "a"), (" \t", ""), ("  a b\t ", "a b"), ("\ta", "a"), ("a\n", "a\n"), ("\u{A0}a", "\u{A0}a"),
  ])
  func `only spaces and tabs are trimmed`(text: String, expected: String) {
    #expect(text.trimmingHTTPWhitespace == expected)
    #expect(text[...].trimmingHTTPWhitespace == expected)
  }

  @Test func `only ASCII digits are digits`() {
    #expect("0".isASCIIDigits && "0123456789".isASCIIDigits)
    for text in ["", "-1", "+1", "1.0", " 1", "1a", "１", "٣"] { #expect(!text.isASCIIDigits, "\(text)") }
  }

  @Test func `a byte count is decimal and fits into 64 bits`() {
    #expect(byteCount("0") == 0)
    #expect(byteCount("9223372036854775807") == .max)
    #expect(byteCount("9223372036854775808") == nil)
    #expect(byteCount("") == nil && byteCount("-1") == nil && byteCount("1k") == nil)
  }

  @Test(arguments: [
    ("", 0, ""), ("", 5, ""), ("anna", 4, "anna"), ("anna", 3, "ann"), ("anna", 0, ""), ("anna", -1, ""),
    // Characters of two, three and four bytes; a letter and its accent are two scalars.
    ("éé", 3, "é"), ("日本", 5, "日"), ("🎧🎧", 7, "🎧"), ("🎧", 3, ""), ("e\u{301}", 2, "e"), ("e\u{301}", 3, "e\u{301}"),
  ])
  func `a text is cut at a scalar boundary`(text: String, limit: Int, kept: String) {
    #expect(Array(text.cut(toBytes: limit).utf8) == Array(kept.utf8))
  }

  @Test(arguments: [
    ("", ""), ("anna", "anna"), ("annas", "annas"), ("annas!", "an…"),
    ("a" + String(repeating: "\u{301}", count: 9), "a…"),
    ("éééé", "é…"),
  ])
  func `a shortened text fits into its limit`(text: String, kept: String) {
    #expect(Array(text.shortened(toBytes: 5).utf8) == Array(kept.utf8))
  }

  @Test(
    arguments: [
      ("1.5", 1.5), ("-2", -2), ("1e3", 1000), ("0", 0), ("0x10", nil), ("0x1p4", nil), ("inf", nil), ("nan", nil),
      ("1e999", nil), ("", nil), (" 1", nil), ("1_000", nil), ("٣", nil), ("--1", nil),
    ] as [(String, Double?)])
  func `a number has decimal digits`(text: String, value: Double?) { #expect(decimalNumber(text) == value) }

  // MARK: Hosts

  @Test(arguments: [("Example.COM", "example.com"), ("[::1]", "::1"), ("127.0.0.1", "127.0.0.1")])
  func `a host name is in lower case without brackets`(host: String, expected: String) {
    #expect(hostName(host) == expected)
  }

  @Test(arguments: ["", "[]", "a b", "é.example", "a\u{0}"])
  func `an empty or non-ASCII host name is rejected`(host: String) {
    #expect(hostName(host) == nil)
  }

  @Test func `only addresses of this machine are loopback`() {
    for host in ["localhost", "127.0.0.1", "127.255.0.9", "::1", "bucket.localhost", "a.b.localhost"] {
      #expect(isLoopback(host: host), "\(host)")
    }
    for host in ["", "example.com", "127.0.0.1.example.com", "127.0.0.256", "127.1", "128.0.0.1", "::2", "localhost."] {
      #expect(!isLoopback(host: host), "\(host)")
    }
  }

  @Test func `percent-encoding is decoded as often as it was applied`() {
    let cases = [
      ("a", "a"), ("100%", "100%"), ("%41", "A"), ("%2541", "A"), ("%25252541", "A"), ("%4%31", "A"),
      ("%zz%41", "%zzA"),
      ("%FF", "\u{FFFD}"), ("%C3%A9", "é"), ("%25C3%25A9", "é"), ("%", "%"), ("%2", "%2"),
    ]
    for (text, decoded) in cases { #expect(percentDecodedCompletely(text) == decoded, "\(text)") }
    let deep = "%" + String(repeating: "25", count: 10_000) + "41"
    #expect(percentDecodedCompletely(deep) == "A")
  }

  @Test func `control characters and forced directions are shown by name`() {
    let cases = [
      ("José 🎧\tx\n", "José 🎧\tx\n"), ("a\u{1B}[2J", "a[U+001B][2J"), ("\u{0}\r\u{7F}", "[U+0000][U+000D][U+007F]"),
      ("b\u{9B}c\u{202E}d\u{2066}e", "b[U+009B]c[U+202E]d[U+2066]e"), ("a\r\nb", "a[U+000D]\nb"),
      ("e\u{202E}\u{301}", "e[U+202E]\u{301}"), ("שלום\u{200F}", "שלום\u{200F}"), ("👩\u{200D}🚀", "👩\u{200D}🚀"),
    ]
    for (text, shown) in cases { #expect(text.showingControls.unicodeScalars.elementsEqual(shown.unicodeScalars)) }
  }

  @Test func `text stays on one line, whatever breaks lines`() {
    let cases = [
      ("plain – 🎧", "plain – 🎧"), ("a\nb\r\nc\td", "a b c d"), ("a\u{B}\u{C}\u{1C}\u{1D}\u{1E}b", "a     b"),
      ("a\u{85}b\u{2028}c\u{2029}d", "a b c d"), ("a\u{0}\u{1B}[2J\u{9B}", "a[U+0000][U+001B][2J[U+009B]"),
      ("a\u{202E}b\u{2066}c\u{200F}d\u{61C}", "a[U+202E]b[U+2066]c[U+200F]d[U+061C]"),
      ("a\u{200B}b\u{2060}c\u{FEFF}\u{E0041}", "a[U+200B]b[U+2060]c[U+FEFF][U+E0041]"),
      ("👩\u{200D}🚀", "👩\u{200D}🚀"),
    ]
    for (text, shown) in cases {
      #expect(text.onOneLine.unicodeScalars.elementsEqual(shown.unicodeScalars), "\(text.onOneLine)")
      #expect(text.onOneLine.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).count == 1)
    }
  }

  @Test(.timeLimit(.minutes(1))) func `text full of secrets is redacted in linear time`() {
    let count = 400_000
    let redactor = Redactor()
    redactor.add("canary")
    let text = String(repeating: "canary tdk_abcdefgh ", count: count)
    #expect(redactor.redact(text) == String(repeating: "[redacted] tdk_[redacted] ", count: count))
  }
}
