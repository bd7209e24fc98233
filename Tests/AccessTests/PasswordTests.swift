import Access
import Foundation
import Model
import TestKit
import Testing

@Suite struct PasswordTests {
  static let place = PasswordHasher.Place("192.0.2.1", isKnown: false)
  let hasher = PasswordHasher(cost: .init(logRounds: 4))

  @Test(arguments: [
    "correct horse", "12345678", "pässwörd 日本", " spaces ", String(repeating: "x", count: 1000), "a\u{0}bcdefg",
  ])
  func `a password matches only its own hash`(password: String) async throws {
    let stored = try await hasher.hash(password, at: Self.place)
    #expect(try await hasher.matches(password, stored: stored, at: Self.place))
    for other in [password + " ", String(password.dropLast()), password.uppercased() + "1", ""] {
      #expect(try await !hasher.matches(other, stored: stored, at: Self.place))
    }
  }

  @Test func `a hash contains its cost and salt, and differs each time`() async throws {
    let first = try await hasher.hash("correct horse", at: Self.place)
    let second = try await hasher.hash("correct horse", at: Self.place)
    #expect(first != second)
    let parts = first.split(separator: "$")
    #expect(parts.count == 4)
    #expect(parts[0] == "scrypt" && parts[1] == "4")
    #expect(Data(base64Encoded: String(parts[2]))?.count == 16)
    #expect(Data(base64Encoded: String(parts[3]))?.count == 32)
  }

  @Test func `a hash with another cost can still be checked`() async throws {
    let stored = try await PasswordHasher(cost: .init(logRounds: 5)).hash("correct horse", at: Self.place)
    #expect(stored.hasPrefix("scrypt$5$"))
    #expect(try await hasher.matches("correct horse", stored: stored, at: Self.place))
  }

  @Test func `a published scrypt test vector matches`() async throws {
    // RFC 7914 §12 has none with r = 8, p = 1 and 32 bytes; the first half of the 64 of one with p = 1 is the same.
    let salt = Data("SodiumChloride".utf8).base64EncodedString()
    let key = Data([
      0x70, 0x23, 0xBD, 0xCB, 0x3A, 0xFD, 0x73, 0x48, 0x46, 0x1C, 0x06, 0xCD, 0x81, 0xFD, 0x38, 0xEB, 0xFD, 0xA8, 0xFB,
      0xBA, 0x90, 0x4F, 0x8E, 0x3E, 0xA9, 0xB5, 0x43, 0xF6, 0x54, 0x5D, 0xA1, 0xF2,
    ]).base64EncodedString()
    #expect(try await hasher.matches("pleaseletmein", stored: "scrypt$14$\(salt)$\(key)", at: Self.place))
  }

  static let malformed = [
    "", "$", "$$$", "plain", "scrypt", "scrypt$4$$", "scrypt$4$AAAA$", "scrypt$4$AAAA$!!!", "scrypt$4$!!!$AAAA",
    "scrypt$0$AAAA$AAAA", "scrypt$-1$AAAA$AAAA", "scrypt$18$AAAA$AAAA", "scrypt$63$AAAA$AAAA", "scrypt$64$AAAA$AAAA",
    "scrypt$99999999999999999999$AAAA$AAAA", "scrypt$x$AAAA$AAAA", "bcrypt$4$AAAA$AAAA", "scrypt$4$AAAA$AAAA$AAAA",
    "scrypt$4$AAAA$AAAA", "scrypt$4$====$AAAA", "scrypt$4$=$AAAA",
  ]

  @Test(arguments: malformed)
  func `a malformed stored hash matches no password`(stored: String) async throws {
    for password in ["", "AAAA", "correct horse"] {
      #expect(try await !hasher.matches(password, stored: stored, at: Self.place))
    }
  }

  /// scrypt fails with a single round, which shows whether a derivation was attempted.
  @Test(arguments: [nil, "", "plain", "scrypt$99$AAAA$AAAA"])
  func `a missing account costs the same work as a wrong password`(stored: String?) async {
    let impossible = PasswordHasher(cost: .init(logRounds: 0))
    #expect(await failure { try await impossible.matches("guess", stored: stored, at: Self.place) } == .internalError)
  }

  @Test(arguments: [
    "", "1234567", "äöüß", "日本語", String(repeating: "x", count: 1001), "e" + String(repeating: "\u{301}", count: 5000),
    "password", "PassWord", "12345678", "aaaaaaaa", "qwertyuiop",
    "password1", "Password123!", "1password1", "xyxyxyxy", "iloveyou", "sunshine", "football99", "dana.smith",
    "Dana.Smith",
  ])
  func `a short, long or common password and the name of the account are rejected`(password: String) async {
    #expect(await failure { try PasswordHasher.check(password, name: "dana.smith") } == .invalidRequest)
  }

  @Test(arguments: [
    "correct horse", "pässwörd 日本", "xK9#mQ2v", "a good password", "dana.smith.7", "password of the archive",
    String(repeating: "long ", count: 200),
  ])
  func `other passwords are accepted`(password: String) async {
    #expect(await failure { try PasswordHasher.check(password, name: "dana.smith") } == nil)
  }

  @Test func `secrets are equal only when every byte and the length are equal`() {
    #expect(constantTimeEquals([1, 2, 3], [1, 2, 3]))
    #expect(constantTimeEquals([UInt8](), [UInt8]()))
    for other: [UInt8] in [[], [1], [1, 2], [1, 2, 4], [0, 2, 3], [1, 2, 3, 0]] {
      #expect(!constantTimeEquals([1, 2, 3], other))
    }
  }

  @Test func `secrets are random, URL-safe and stored as hashes`() {
    let token = Secret.makeToken()
    let session = Secret.makeSession()
    #expect(token.text.hasPrefix("tdk_") && token.text.count == 4 + 43)
    #expect(session.text.hasPrefix("tdks_") && session.text.count == 5 + 43)
    #expect(Set((0..<100).map { _ in Secret.makeSession().text }).count == 100)
    let isSafe = (token.text + session.text).utf8.allSatisfy { byte in
      "-_".utf8.contains(byte) || Character(Unicode.Scalar(byte)).isLetter || Character(Unicode.Scalar(byte)).isNumber
    }
    #expect(isSafe)
    // SHA-256 of "abc", FIPS 180-2.
    #expect(hex(Secret.sha256("abc")) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    #expect(token.sha256 == Secret.sha256(token.text))
  }
}
