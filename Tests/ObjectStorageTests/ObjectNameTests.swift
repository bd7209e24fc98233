import Model
import ObjectStorage
import Testing

@Suite struct ObjectNameTests {
  static let digits = "0123456789abcdef0123456789abcdef"

  @Test(arguments: ObjectName.Kind.allCases)
  func `a name is written and read back`(kind: ObjectName.Kind) throws {
    let name = try #require(ObjectName(digits: Self.digits, kind: kind))
    #expect(name.rawValue == "01/\(Self.digits).\(kind.rawValue)")
    #expect(ObjectName(rawValue: name.rawValue) == name)
    #expect(name.folder.description == "01")
  }

  @Test func `new names are random and can be read back`() throws {
    let names = (0..<1000).map { _ in ObjectName.random(.mp3) }
    #expect(Set(names).count == 1000)
    #expect(Set(names.map(\.folder)).count > 200)
    #expect(names.allSatisfy { ObjectName(rawValue: $0.rawValue) == $0 })
  }

  @Test(arguments: [
    "", String(digits.dropLast()), digits + "0", digits.uppercased(), String(digits.dropLast()) + "g",
    String(digits.dropLast()) + "\u{0}", "../../../../../../../etc/passwd.",
  ])
  func `a name has 32 lower-case hexadecimal digits`(digits: String) {
    #expect(ObjectName(digits: digits, kind: .wav) == nil)
  }

  @Test(arguments: [
    "", "/", "01/", "..", "\(digits).mp3", "/01/\(digits).mp3", "01//\(digits).mp3", "./01/\(digits).mp3",
    "02/\(digits).mp3", "01/\(digits)", "01/\(digits).", "01/\(digits).exe", "01/\(digits).MP3",
    "01/\(digits).mp3.mp3", "01/\(digits)..mp3", "01/\(digits).mp3/", "01/\(digits).mp3\n",
    "01/\(digits).mp3\u{0}", "../01/\(digits).mp3", "01/../01/\(digits).mp3", "01/\(digits.uppercased()).mp3",
    "0１/\(digits).mp3", "01/\(digits)\(digits).mp3",
  ])
  func `any other text is not an object name`(text: String) {
    #expect(ObjectName(rawValue: text) == nil)
  }

  @Test(arguments: [
    "", String(repeating: "a", count: 63), String(repeating: "a", count: 65), String(repeating: "A", count: 64),
    String(repeating: "a", count: 63) + "g", String(repeating: "a", count: 63) + "\u{0}",
  ])
  func `a content hash has 64 lower-case hexadecimal digits`(text: String) {
    #expect(ContentHash(rawValue: text) == nil)
  }

  @Test func `a content hash is written as it was read`() throws {
    let digits = String(repeating: "0f", count: 32)
    let hash = try #require(ContentHash(rawValue: digits))
    #expect(hash == ContentHash(digest: [UInt8](repeating: 15, count: 32)))
    #expect(hash.description == digits)
  }
}
