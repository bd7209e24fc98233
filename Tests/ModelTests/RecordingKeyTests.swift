import Model
import Testing

@Suite struct RecordingKeyTests {
  @Test func `every printable byte survives encoding and decoding`() throws {
    for byte in UInt8(0x20)...0x7E {
      for text in ["a\(Character(Unicode.Scalar(byte)))b", String(Character(Unicode.Scalar(byte)))] where text != "." {
        for source in [SourceID.default, try #require(SourceID("eu-west_2"))] {
          let key = RecordingKey(source: source, id: try #require(RecordingID(text)))
          #expect(try RecordingKey(pathSegment: key.pathSegment) == key)
        }
      }
    }
  }

  @Test func `a path segment contains only unreserved characters and one tilde after the source`() throws {
    let id = try #require(RecordingID(String(decoding: UInt8(0x20)...0x7E, as: UTF8.self)))
    let isSafe = { (text: String) in text.utf8.allSatisfy { byte in "-._%".utf8.contains(byte) || isAlphanumeric(byte) }
    }
    #expect(isSafe(RecordingKey(id: id).pathSegment))
    let other = RecordingKey(source: try #require(SourceID("eu")), id: id).pathSegment
    #expect(other.hasPrefix("eu~") && isSafe(String(other.dropFirst(3))))
  }

  @Test(arguments: [
    ("call-1", "default", "call-1"), ("a%2Fb", "default", "a/b"), ("a%2fb", "default", "a/b"),
    ("a+b", "default", "a+b"), ("a b", "default", "a b"), ("...", "default", "..."),
    // Segments are decoded exactly once.
    ("a%2541", "default", "a%41"), ("%252E%252E", "default", "%2E%2E"), ("a%257Eb", "default", "a%7Eb"),
    // A tilde in the ID is encoded; the first unencoded one separates the source.
    ("a%7Eb", "default", "a~b"), ("eu~call-1", "eu", "call-1"), ("eu~a%7Eb", "eu", "a~b"), ("eu~a~b", "eu", "a~b"),
    ("default~call-1", "default", "call-1"),
  ])
  func `a segment contains a source and an id`(segment: String, source: String, id: String) throws {
    let key = try RecordingKey(pathSegment: segment)
    #expect(key.source.rawValue == source)
    #expect(key.id.rawValue == id)
  }

  @Test(arguments: [
    "", ".", "..", "%2E", "%2e%2E", ".%2e", "eu~", "eu~.", "eu~..", "~call-1", "EU~call-1", "e u~call-1", "e%75~call-1",
    "%", "%4", "a%", "a%4", "%zz", "%4G", "%%41", "%-1", "%+1", "%00", "a%00b", "%0A", "%0D%0A", "%1F", "%7F", "%80",
    "%C3", "%FF", "%ED%A0%80", "a\u{0}b", "a\nb", "a\u{7F}", "%C2%85", "a\u{85}", "a\u{2028}b", "a\u{202E}b",
    "\u{FEFF}a",
    String(repeating: "a", count: 501), String(repeating: "%41", count: 501), String(repeating: "é", count: 251),
    String(repeating: "s", count: 41) + "~a", "tdk_abcdefghijkl", "eu~tdk_abc", "%20tdk_abc", "tdk%5Fabc", "TDK_abc",
    "Bearer%20tdk_abc", "whsec_abc", "tdks_abc", "tdk%255Fabc", "tdk%25255Fabc", "%2574dk_abc", "whsec%255fabc",
    "TDKS%5Fabc",
  ])
  func `malformed segments are rejected`(segment: String) {
    #expect(throws: TapedeckError.self) { try RecordingKey(pathSegment: segment) }
    do { _ = try RecordingKey(pathSegment: segment) } catch { #expect(error.code == .invalidRecordingID) }
  }

  @Test(arguments: ["Größe-1", "通話-7", "🎧", "e\u{301}", "\u{E9}", "سجل", "a\u{A0}b", "18446744073709551616"])
  func `an id in any script survives encoding and decoding`(text: String) throws {
    for source in [SourceID.default, try #require(SourceID("eu"))] {
      let key = RecordingKey(source: source, id: try #require(RecordingID(text)))
      #expect(key.pathSegment.utf8.allSatisfy { (0x21...0x7E).contains($0) })
      let read = try RecordingKey(pathSegment: key.pathSegment)
      #expect(read == key && read.id.rawValue.utf8.elementsEqual(text.utf8))
    }
  }

  @Test func `a composed and a decomposed letter are different ids`() throws {
    let ids = Set([try #require(RecordingID("e\u{301}")), try #require(RecordingID("\u{E9}"))])
    #expect(ids.count == 2)
  }

  @Test func `an id has 1 to 500 bytes, encoded or not`() throws {
    #expect(try RecordingKey(pathSegment: String(repeating: "%20", count: 500)).id.rawValue.utf8.count == 500)
    #expect(RecordingID(String(repeating: "é", count: 250)) != nil)
    #expect(RecordingID(String(repeating: "a", count: 501)) == nil)
    #expect(RecordingID("") == nil)
  }

  @Test func `a source has 1 to 40 lower-case letters, digits, hyphens and underscores`() {
    for name in ["a", "eu-1", "a_b", String(repeating: "x", count: 40)] { #expect(SourceID(name) != nil) }
    for name in ["", "A", "é", "a b", "a/b", "a~b", "a.b", String(repeating: "x", count: 41)] {
      #expect(SourceID(name) == nil)
    }
  }

  private func isAlphanumeric(_ byte: UInt8) -> Bool {
    (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
  }
}
