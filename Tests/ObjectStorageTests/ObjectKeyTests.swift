import ObjectStorage
import Testing

@Suite struct ObjectKeyTests {
  static let hash = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

  @Test(arguments: ObjectKey.Kind.allCases)
  func `a key is written and read back`(kind: ObjectKey.Kind) throws {
    let key = try #require(ObjectKey(sha256: Self.hash, kind: kind))
    #expect(key.description == "01/\(Self.hash).\(kind.rawValue)")
    #expect(ObjectKey(key.description) == key)
  }

  @Test(arguments: [
    "", String(hash.dropLast()), hash + "0", hash.uppercased(), String(hash.dropLast()) + "g",
    String(hash.dropLast()) + "\u{0}", "../../../../../../../../../../../../../../../../../../etc/passwd....",
  ])
  func `a hash is 64 small hexadecimal digits`(hash: String) {
    #expect(ObjectKey(sha256: hash, kind: .wav) == nil)
  }

  @Test(arguments: [
    "", "/", "01/", "..", "\(hash).mp3", "/01/\(hash).mp3", "01//\(hash).mp3", "./01/\(hash).mp3", "02/\(hash).mp3",
    "01/\(hash)", "01/\(hash).", "01/\(hash).exe", "01/\(hash).MP3", "01/\(hash).mp3.mp3", "01/\(hash)..mp3",
    "01/\(hash).mp3/", "01/\(hash).mp3\n", "01/\(hash).mp3\u{0}", "../01/\(hash).mp3", "01/../01/\(hash).mp3",
    "01/\(hash.uppercased()).mp3", "0１/\(hash).mp3",
  ])
  func `nothing else names an object`(text: String) {
    #expect(ObjectKey(text) == nil)
  }
}
