import Foundation
import Glibc
import Model
import TapedeckApp
import Testing

@Suite struct SettingsReaderTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func settings(
    flags: [Setting: String] = [:], file: String? = nil, _ environment: [String: String] = [:]
  ) async throws -> Settings {
    let reader = try await SettingsReader(flags: flags, file: file, environment: environment, folder: folder.path)
    return try Settings(reader, needsPlatform: false, folder: folder.path)
  }

  private func failure(
    file: String? = nil, _ environment: [String: String] = [:]
  ) async -> TapedeckError? {
    do {
      _ = try await settings(file: file, environment)
      return nil
    } catch { return error as? TapedeckError }
  }

  @Test func `flags override the environment, then .env, then the file, then the default`() async throws {
    #expect(try await settings().dataDirectory == "\(folder.path)/tapedeck-data")
    try folder.write("tapedeck:\n  dataDir: from-yaml\n", to: "tapedeck.yaml")
    #expect(try await settings().dataDirectory == "\(folder.path)/from-yaml")
    try folder.write("# a comment\nexport TAPEDECK_DATA_DIR='from-dotenv' # another\n", to: ".env")
    #expect(try await settings().dataDirectory == "\(folder.path)/from-dotenv")
    let environment = ["TAPEDECK_DATA_DIR": "from-environment"]
    #expect(try await settings(environment).dataDirectory == "\(folder.path)/from-environment")
    #expect(try await settings(flags: [.dataDirectory: "/flag"], environment).dataDirectory == "/flag")
  }

  @Test func `a named file replaces tapedeck.yaml`() async throws {
    try folder.write("tapedeck:\n  dataDir: from-yaml\n", to: "tapedeck.yaml")
    let other = try folder.write("tapedeck:\n  dataDir: from-other\n", to: "other.yaml")
    #expect(try await settings(file: other).dataDirectory == "\(folder.path)/from-other")
    let missing = await failure(file: "\(folder.path)/missing.yaml")
    #expect(missing?.code == .configurationInvalid)
    #expect(missing?.message.contains("missing.yaml does not exist or is not valid YAML") == true)
  }

  @Test func `a malformed file is an error`() async throws {
    try folder.write("tapedeck: [broken\n", to: "tapedeck.yaml")
    #expect(await failure()?.code == .configurationInvalid)
    try folder.write("cxone:\n  timeZone: [Europe/Berlin, UTC]\n", to: "tapedeck.yaml")
    #expect(await failure()?.message.hasPrefix("CXONE_TIME_ZONE must be a single value.") == true)
  }

  @Test func `files with secrets to which other users have access are named with the command that closes them`()
    async throws
  {
    let secret = try folder.write("a secret\n", to: "client-secret")
    let env = try folder.write("CXONE_CLIENT_SECRET_FILE=\(secret)\nQM_WEBHOOK_SECRET=whsec_x\n", to: ".env")
    let yaml = try folder.write("cxone:\n  rate: 5\n", to: "tapedeck.yaml")
    for path in [secret, env, yaml] { chmod(path, 0o644) }
    // The YAML file holds no secret.
    #expect(try await settings().exposed.map(\.path) == [env, secret])
    #expect(try await settings().warnings.first?.hasSuffix("(mode 644). Run 'chmod o= \(env)'.") == true)
    try folder.write("source:\n  emea:\n    clientSecret: x\ntapedeck:\n  sources: emea\n", to: "tapedeck.yaml")
    chmod(yaml, 0o604)
    #expect(try await settings().exposed.map(\.path) == [env, yaml])
    for path in [secret, env, yaml] { chmod(path, 0o640) }
    #expect(try await settings().exposed.isEmpty)
  }

  @Test func `every unknown name in .env is noticed`() async throws {
    try folder.write("TAPEDECK_COLOUR=blue\nTAPEDECK_LISTEM=127.0.0.1:1\nEDITOR=vi\n", to: ".env")
    #expect(
      try await settings().unknown.map(\.sentence) == [
        "TAPEDECK_COLOUR is not a setting.", "TAPEDECK_LISTEM is not a setting; did you mean TAPEDECK_LISTEN?",
      ])
  }

  @Test(arguments: [
    ("tapedeck:\n  datadir: x\n", ["tapedeck.datadir is not a setting; did you mean tapedeck.dataDir?"]),
    ("TAPEDECK_DATA_DIR: x\n", ["TAPEDECK_DATA_DIR is not a setting; did you mean tapedeck.dataDir?"]),
    ("cxone:\n  base-url: x\n", ["cxone.base-url is not a setting; did you mean cxone.baseUrl?"]),
    (
      "cxone:\n  sync:\n    lookBackDay: 3\n",
      [
        "cxone.sync.lookBackDay is not a setting; did you mean cxone.sync.lookBackDays?"
      ]
    ),
    (
      "source:\n  emea:\n    clientIdd: x\n",
      [
        "source.emea.clientIdd is not a setting; did you mean source.emea.clientId?"
      ]
    ),
    (
      "colour: blue\ntapedeck:\n  dataDir: x\n  shade: [1, 2]\n",
      [
        "colour is not a setting.", "tapedeck.shade is not a setting.",
      ]
    ),
  ])
  func `every unknown key of the YAML file is noticed`(text: String, sentences: [String]) async throws {
    try folder.write(text, to: "tapedeck.yaml")
    #expect(try await settings(["TAPEDECK_SOURCES": "emea"]).unknown.map(\.sentence) == sentences)
  }

  @Test func `every known key of the YAML file is accepted`() async throws {
    let keys = Setting.allCases.map { $0.rawValue.split(separator: ".") }
    let text = keys.map { path in
      path.enumerated().map { "\(String(repeating: "  ", count: $0.offset))\($0.element):" }.joined(separator: "\n")
    }
    for lines in text {
      try folder.write(lines + " ''\n", to: "tapedeck.yaml")
      #expect(try await settings().unknown == [])
    }
  }

  @Test func `a .env file that is not UTF-8 is an error`() async throws {
    try Data([0x41, 0x3D, 0xFF, 0xFE]).write(to: URL(filePath: "\(folder.path)/.env"))
    let error = await failure()
    #expect(error?.code == .configurationInvalid)
    #expect(error?.message.contains("\(folder.path)/.env cannot be read") == true)
  }

  @Test func `an empty value counts as not set`() async throws {
    try folder.write("tapedeck:\n  logFormat: text\n", to: "tapedeck.yaml")
    #expect(try await settings(["TAPEDECK_LOG_FORMAT": ""]).logFormat == .json)
  }

  @Test func `the place with the higher precedence provides a secret, directly or through a file`() async throws {
    let file = try folder.write("from-file\n", to: "secret")
    try folder.write("qm:\n  webhookSecret: from-yaml\n", to: "tapedeck.yaml")
    #expect(try await settings().webhookSecret == "from-yaml")
    #expect(try await settings(["QM_WEBHOOK_SECRET_FILE": file]).webhookSecret == "from-file")
    #expect(
      try await settings(["QM_WEBHOOK_SECRET_FILE": file, "QM_WEBHOOK_SECRET": "direct"]).webhookSecret == "direct")
  }

  @Test func `the file of a secret must be readable and not empty`() async throws {
    let file = try folder.write("\n", to: "secret")
    #expect(
      await failure(["QM_WEBHOOK_SECRET_FILE": file])?.message
        .hasPrefix("QM_WEBHOOK_SECRET_FILE names a file that is empty.") == true)
    #expect(
      await failure(["QM_WEBHOOK_SECRET_FILE": "\(folder.path)/absent"])?.message
        .hasPrefix("QM_WEBHOOK_SECRET_FILE names a file that cannot be read.") == true)
  }

  @Test func `.env lines may have comments, quotes and export`() {
    let text = """
      # comment
      PLAIN=value
        SPACED = some words # comment
      export EXPORTED=1
      SINGLE='a # b'
      DOUBLE="c = d" # comment
      HASH=a#b
      EMPTY=
      no assignment
      """
    #expect(
      DotEnv.parse(text) == [
        "PLAIN": "value", "SPACED": "some words", "EXPORTED": "1", "SINGLE": "a # b", "DOUBLE": "c = d", "HASH": "a#b",
        "EMPTY": "",
      ])
  }
}
