import Testing
import TransparencyLog

@Suite struct SignedNoteTests {
  /// An example of the C2SP specification, created by Go's `note` package.
  private static let key = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
  private static let line =
    "— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM="
  private static let note = "This is an example message.\n\n\(line)\n"

  @Test func `a note signed by another implementation is verified`() throws {
    let key = try #require(NoteVerifierKey(Self.key))
    #expect(key.description == Self.key && key.name == "example.com/foo" && key.id == [0x53, 0x0D, 0x90, 0x3A])
    let note = try #require(SignedNote(parsing: Self.note))
    #expect(note.text == "This is an example message.\n")
    #expect(note.isSigned(by: key))
    #expect(note.encoded == Self.note)
  }

  @Test(arguments: [
    ("This is an example message.", "This is an Example message."), ("U", "V"), ("example.com/foo", "example.com/fop"),
  ])
  func `a note with one changed byte is not verified`(from: String, to: String) throws {
    let key = try #require(NoteVerifierKey(Self.key))
    let changed = Self.note.replacing(from, with: to, maxReplacements: 1)
    #expect(changed != Self.note)
    #expect(SignedNote(parsing: changed)?.isSigned(by: key) != true)
  }

  @Test func `a signed note is verified, also with an empty line in the text`() throws {
    let signer = try #require(NoteSigner(newKeyNamed: "archive.example.com/tapedeck"))
    let text = "first\n\n— not a signature\n\nlast\n"
    let encoded = try #require(signer.sign(text)).encoded
    let note = try #require(SignedNote(parsing: encoded))
    #expect(note.text == text)
    let key = try #require(NoteVerifierKey(signer.verifierKey.description))
    #expect(note.isSigned(by: key))
    let other = try #require(NoteSigner(newKeyNamed: "archive.example.com/tapedeck"))
    #expect(!note.isSigned(by: other.verifierKey))
  }

  @Test func `a private key is read back, and malformed keys are rejected`() throws {
    let signer = try #require(NoteSigner(newKeyNamed: "a"))
    let again = try #require(NoteSigner(signer.revealed))
    #expect(again.verifierKey.description == signer.verifierKey.description)
    #expect(signer.revealed.hasPrefix("PRIVATE+KEY+a+"))
    let broken = signer.revealed.replacing("KEY+a+", with: "KEY+b+")
    for text in ["", "PRIVATE", "PRIVATE+KEY+a+00000000+AAAA", broken, String(signer.revealed.dropLast(4)), Self.key] {
      #expect(NoteSigner(text) == nil, "\(text)")
    }
  }

  @Test(arguments: [
    "", "\n", "\n\n", "text\n", "text\n\n", "text\n\n— a\n", "text\n\n— a AAAA\n", "text\n\n- a AAAAAAAA\n",
    "text\n\n— a AAAAAAAA", "text\r\n\n— a AAAAAAAA\n", "text\n\n—  AAAAAAAA\n", "text\n\n— a ====\n",
    "te\u{0}xt\n\n— a AAAAAAAA\n",
  ])
  func `malformed notes are rejected`(text: String) {
    #expect(SignedNote(parsing: text) == nil)
  }

  @Test func `invalid names and texts are rejected`() throws {
    for name in ["", "a b", "a+b", "a\n"] { #expect(NoteSigner(newKeyNamed: name) == nil) }
    let signer = try #require(NoteSigner(newKeyNamed: "a"))
    for text in ["", "no end", "a\u{1}\n", "a\r\n"] { #expect(signer.sign(text) == nil) }
    for key in ["", "a+b", "example.com/foo+530d903b+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k", "a+00000000+AQ=="] {
      #expect(NoteVerifierKey(key) == nil)
    }
  }
}
