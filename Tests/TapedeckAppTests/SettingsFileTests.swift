import Foundation
import Model
import TapedeckApp
import Testing

@Suite struct SettingsFileTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private var path: String { folder.path + "/.env" }

  private func mode() throws -> Int {
    let attributes = try FileManager.default.attributesOfItem(atPath: path)
    return (attributes[.posixPermissions] as? NSNumber)?.intValue ?? 0
  }

  @Test(arguments: [
    "plain", "key====", "two words", "it's", #"say "x""#, "a #b", "$HOME", "back\\slash", "'quoted'", "ü",
  ])
  func `a value is read as it was written`(value: String) throws {
    let file = SettingsFile(path: path)
    try file.write([("CXONE_CLIENT_ID", value)], replacing: [])
    #expect(DotEnv.parse(try String(contentsOfFile: path, encoding: .utf8)) == ["CXONE_CLIENT_ID": value])
    #expect(try mode() == 0o600)
  }

  @Test(arguments: ["two\nlines", #"both ' and ""#, "it's $5"])
  func `a value that cannot be written is refused, and nothing changes`(value: String) throws {
    try "OTHER=1\n".write(toFile: path, atomically: false, encoding: .utf8)
    #expect(throws: TapedeckError.self) {
      try SettingsFile(path: path).write([("CXONE_CLIENT_ID", value)], replacing: [])
    }
    #expect(try String(contentsOfFile: path, encoding: .utf8) == "OTHER=1\n")
  }

  @Test func `other lines, the rights of the group and a symbolic link stay`() throws {
    let target = folder.path + "/tapedeck.env"
    try "# comment\nexport CXONE_CLIENT_ID=old\nTAPEDECK_LISTEN=127.0.0.1:1\n\n"
      .write(toFile: target, atomically: false, encoding: .utf8)
    try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: target)
    try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: "tapedeck.env")
    try SettingsFile(path: path).write([("CXONE_BASE_URL", "https://x")], replacing: ["CXONE_CLIENT_ID"])
    #expect(
      try String(contentsOfFile: target, encoding: .utf8)
        == "# comment\nTAPEDECK_LISTEN=127.0.0.1:1\nCXONE_BASE_URL=https://x\n")
    #expect(try FileManager.default.destinationOfSymbolicLink(atPath: path) == "tapedeck.env")
    let attributes = try FileManager.default.attributesOfItem(atPath: target)
    #expect((attributes[.posixPermissions] as? NSNumber)?.intValue == 0o640)
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted() == [".env", "tapedeck.env"])
  }
}
