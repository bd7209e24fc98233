import Foundation
import Model
import ObjectStorage
import TestKit
import Testing

/// What holds for a bucket beyond the contract, seen with moto and boto3.
@Suite(.serialized, .timeLimit(.minutes(2))) struct S3ObjectStoreTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  @Test func `boto3 reads what was stored, and its checksum, type and name`() async throws {
    let fixture = try await S3Fixture()
    let small = try await fixture.store.keep([1, 2, 3], by: folder)
    let large = try LongFile(bytes: 20 << 20, in: folder)
    try await fixture.store.store(large.path, as: large.key, bytes: large.bytes)
    let prefix = fixture.settings.prefix
    #expect(try await Set(fixture.names()) == ["\(prefix)/\(small)", "\(prefix)/\(large.key)"])
    #expect(fixture.store.location(of: small) == "s3://recordings/\(prefix)/\(small)")
    let answers = try await fixture.boto.answers(
      to: [small, large.key].map {
        .init("get_object", ["Bucket": "recordings", "Key": "\(prefix)/\($0)", "ChecksumMode": "ENABLED"])
      })
    #expect(answers.map(\.sha256) == [small.sha256, large.key.sha256])
    #expect(answers.map(\.bytes) == [3, 20 << 20])
    #expect(answers.map(\.type) == ["audio/mpeg", "audio/wav"])
    #expect(answers[0].checksum == "A5BYxvLAy0ksUzsKTRTvd8wPeKvMztUofYShogEc+4E=")
    #expect(try await fixture.unfinishedUploads() == 0)
  }

  @Test func `what boto3 stored is read and listed`() async throws {
    let fixture = try await S3Fixture()
    let key = try key(of: [1, 2, 3])
    _ = try await fixture.boto.answers(to: [
      .init(
        "put_object",
        [
          "Bucket": "recordings", "Key": "\(fixture.settings.prefix)/\(key)",
          "Body": Data([1, 2, 3]).base64EncodedString(),
        ])
    ])
    #expect(try await fixture.store.contents(of: key) == [1, 2, 3])
    #expect(try await fixture.store.objects(in: key.folder).map(\.key) == [key])
  }

  @Test func `what is no object is not listed`() async throws {
    let fixture = try await S3Fixture()
    let key = try await fixture.store.keep([1, 2, 3], by: folder)
    let prefix = fixture.settings.prefix
    _ = try await fixture.boto.answers(
      to: [
        "README", "\(key.folder)/", "\(key.folder)/README", "\(key.folder)/\(key.sha256)", "\(key.folder)/\(key).x",
        "\(key.folder)/a b+ü&<>", "\(key.folder)/\(anyKey.sha256).mp3", "\(anyKey.folder)/\(key.sha256).wav",
      ].map { .init("put_object", ["Bucket": "recordings", "Key": "\(prefix)/\($0)"]) })
    #expect(try await fixture.store.keys() == [key])
  }

  @Test func `a damaged object is replaced by the right one, and kept in quarantine`() async throws {
    let fixture = try await S3Fixture(surroundings: TestClock().surroundings())
    let good = [UInt8](repeating: 7, count: 100)
    let key = try key(of: good)
    let prefix = fixture.settings.prefix
    let name = "\(prefix)/\(key)"
    _ = try await fixture.boto.answers(to: [
      .init("put_object", ["Bucket": "recordings", "Key": name, "Body": Data([1, 2]).base64EncodedString()])
    ])
    // moto sees no clock but its own.
    let store = try await S3Fixture(prefix: prefix).store
    try await store.keep(good, by: folder)
    #expect(try await store.contents(of: key) == good)
    let names = try await fixture.names()
    #expect(names.count == 2)
    let aside = try #require(names.first { $0.hasPrefix("\(prefix)/quarantine/") })
    #expect(
      try await fixture.boto.answers(to: [.init("get_object", ["Bucket": "recordings", "Key": aside])])[0].bytes == 2)
  }

  @Test func `an object in quarantine is kept under another name, with the reason`() async throws {
    let fixture = try await S3Fixture()
    let key = try await fixture.store.keep([1, 2, 3], by: folder)
    try await fixture.store.quarantine(key, because: "Zerstört: \"seine\" Summe\nist falsch.")
    let names = try await fixture.names()
    let name = try #require(names.first)
    #expect(names.count == 1)
    #expect(name.hasPrefix("\(fixture.settings.prefix)/quarantine/20"))
    #expect(name.hasSuffix("Z-\(key.sha256).mp3"))
    let found = try await fixture.boto.answers(to: [.init("get_object", ["Bucket": "recordings", "Key": name])])[0]
    #expect(found.sha256 == key.sha256)
    #expect(found.metadata["key"] == key.description)
    #expect(found.metadata["reason"] == "Zerst?rt: \"seine\" Summe?ist falsch.")
    #expect(found.metadata["quarantined-at"]?.hasSuffix("Z") == true)
  }

  @Test func `an object that is too long for one copy goes to quarantine in parts`() async throws {
    let fixture = try await S3Fixture(copies: (threshold: 12 << 20, part: 6 << 20))
    let file = try LongFile(bytes: 13 << 20, in: folder)
    try await fixture.store.store(file.path, as: file.key, bytes: file.bytes)
    try await fixture.store.quarantine(file.key, because: "Its hash is not its name.")
    let names = try await fixture.names()
    #expect(names.count == 1)
    let name = try #require(names.first)
    #expect(name.hasPrefix("\(fixture.settings.prefix)/quarantine/20"))
    let found = try await fixture.boto.answers(to: [.init("get_object", ["Bucket": "recordings", "Key": name])])[0]
    #expect(found.sha256 == file.key.sha256)
    #expect(found.type == "audio/wav")
    #expect(found.metadata["key"] == file.key.description)
    #expect(found.metadata["reason"] == "Its hash is not its name.")
    #expect(try await fixture.unfinishedUploads() == 0)
  }

  @Test func `a probe leaves nothing in the bucket`() async throws {
    let fixture = try await S3Fixture()
    try await fixture.store.probe()
    #expect(try await fixture.names() == [])
  }

  @Test(arguments: [1000, 9 << 20])
  func `bytes that are not those of the name are refused and never visible`(count: Int) async throws {
    let fixture = try await S3Fixture()
    let file = try folder.file([UInt8](repeating: 1, count: count))
    #expect(await failure { try await fixture.store.store(file, as: anyKey, bytes: Int64(count)) } == .storageFailed)
    #expect(folder.exists(file))
    #expect(try await fixture.names() == [])
    #expect(try await fixture.unfinishedUploads() == 0)
  }

  // MARK: Refused by moto

  @Test(arguments: [
    ("right", "wrong", "AWS_SECRET_ACCESS_KEY"), ("AKIAWRONG", "right", "AWS_ACCESS_KEY_ID"),
  ])
  func `a wrong key is refused, and the message says which setting to check`(
    id: String, secret: String, setting: String
  ) async throws {
    let moto = try await MotoServer.running().facts
    let key = MotoServer.Key(
      id: id == "right" ? moto.key.id : id, secret: secret == "right" ? moto.key.secret : "canary-\(secret)")
    let store = try await S3Fixture(key: key).store
    let file = try folder.file([1, 2, 3])
    for failure in [
      await thrown { try await store.probe() },
      await thrown { try await store.store(file, as: try ObjectStorageTests.key(of: [1, 2, 3]), bytes: 3) },
      await thrown { try await store.open(anyKey) },
      await thrown { try await store.objects(in: anyKey.folder) },
      await thrown { try await store.quarantine(anyKey, because: "") },
      await thrown { try await store.sha256(of: anyKey) },
    ] {
      let error = try #require(failure)
      #expect(error.code == .storageFailed)
      #expect(error.message.contains(setting))
      #expect(!"\(error.message) \(error.detail ?? "") \(error)".contains("canary"))
      #expect(!(error.detail ?? "").contains(moto.key.secret))
    }
    #expect(folder.exists(file))
  }

  @Test func `a bucket that does not exist is said to be missing, and not its objects`() async throws {
    let store = try await S3Fixture(bucket: "no-such-bucket", key: MotoServer.running().facts.observer).store
    for failure in [
      await thrown { try await store.probe() }, await thrown { try await store.open(anyKey) },
      await thrown { try await store.objects(in: anyKey.folder) },
      await thrown { try await store.quarantine(anyKey, because: "") },
      await thrown { try await store.sha256(of: anyKey) },
    ] {
      #expect(failure?.code == .storageFailed)
      #expect(failure?.message.contains("no such bucket") == true, "\(failure?.detail ?? "")")
    }
  }

  @Test func `a key without permissions is told where they are listed`() async throws {
    let store = try await S3Fixture(prefix: "elsewhere").store
    let error = await thrown { try await store.probe() }
    #expect(error?.code == .storageFailed)
    #expect(error?.message.contains("docs/storage-format.md") == true)
  }

  // MARK: Much

  @Test func `a file of 200 MB is stored and read in little memory`() async throws {
    let fixture = try await S3Fixture()
    let file = try LongFile(bytes: 200_000_000, in: folder)
    try Data("5".utf8).write(to: URL(fileURLWithPath: "/proc/self/clear_refs"))
    let before = try Self.peakMemory()
    let clock = ContinuousClock()
    let storing = try await clock.measure {
      try await fixture.store.store(file.path, as: file.key, bytes: file.bytes)
    }
    var found = ""
    let hashing = try await clock.measure { found = try await fixture.store.sha256(of: file.key).sha256 }
    #expect(found == file.key.sha256)
    let grown = try Self.peakMemory() - before
    print("200 MB: stored in \(storing), read in \(hashing), \(grown >> 20) MiB more memory")
    #expect(grown < 100 << 20)
  }

  /// The most memory that this process had since the mark was reset, in bytes.
  private static func peakMemory() throws -> Int {
    let status = try String(contentsOfFile: "/proc/self/status", encoding: .utf8)
    let line = try #require(status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") })
    return try #require(Int(line.split(separator: " ")[1])) << 10
  }
}
