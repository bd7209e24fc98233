import Foundation
import Model
import ObjectStorage
import TestKit
import Testing

/// What buckets guarantee beyond the contract, checked with moto and boto3.
@Suite(.serialized, .timeLimit(.minutes(2))) struct S3ObjectStoreTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  @Test func `boto3 reads stored objects with checksum, type and name`() async throws {
    let fixture = try await S3Fixture()
    let small = try await fixture.store.keep([1, 2, 3], by: folder)
    let large = try LongFile(bytes: 20 << 20, in: folder)
    try await fixture.store.store(large.path, as: large.object, bytes: large.bytes)
    let prefix = fixture.settings.prefix
    #expect(try await Set(fixture.names()) == ["\(prefix)/\(small)", "\(prefix)/\(large.object)"])
    #expect(fixture.store.location(of: small.name) == "s3://recordings/\(prefix)/\(small)")
    let answers = try await fixture.boto.answers(
      to: [small, large.object].map {
        .init("get_object", ["Bucket": "recordings", "Key": "\(prefix)/\($0)", "ChecksumMode": "ENABLED"])
      })
    #expect(answers.map(\.sha256) == [small.hash.rawValue, large.object.hash.rawValue])
    #expect(answers.map(\.bytes) == [3, 20 << 20])
    #expect(answers.map(\.type) == ["audio/mpeg", "audio/wav"])
    #expect(answers[0].checksum == "A5BYxvLAy0ksUzsKTRTvd8wPeKvMztUofYShogEc+4E=")
    #expect(try await fixture.unfinishedUploads() == 0)
  }

  @Test func `objects stored by boto3 are read and listed`() async throws {
    let fixture = try await S3Fixture()
    let object = try TestObject([1, 2, 3])
    _ = try await fixture.boto.answers(to: [
      .init(
        "put_object",
        [
          "Bucket": "recordings", "Key": "\(fixture.settings.prefix)/\(object)",
          "Body": Data([1, 2, 3]).base64EncodedString(),
        ])
    ])
    #expect(try await fixture.store.contents(of: object) == [1, 2, 3])
    #expect(try await fixture.store.objects(in: object.folder).map(\.name) == [object.name])
  }

  @Test func `other keys are not listed`() async throws {
    let fixture = try await S3Fixture()
    let object = try await fixture.store.keep([1, 2, 3], by: folder)
    let prefix = fixture.settings.prefix
    _ = try await fixture.boto.answers(
      to: [
        "README", "\(object.folder)/", "\(object.folder)/README", "\(object.folder)/\(object.name.digits)",
        "\(object.folder)/\(object).x",
        "\(object.folder)/a b+ü&<>", "\(object.folder)/\(anyName.digits).mp3",
        "\(anyName.folder)/\(object.name.digits).wav",
      ].map { .init("put_object", ["Bucket": "recordings", "Key": "\(prefix)/\($0)"]) })
    #expect(try await fixture.store.names() == [object.name])
  }

  @Test func `a damaged object is replaced and kept in quarantine`() async throws {
    let fixture = try await S3Fixture(system: TestClock().system())
    let good = [UInt8](repeating: 7, count: 100)
    let object = try TestObject(good)
    let prefix = fixture.settings.prefix
    let name = "\(prefix)/\(object)"
    _ = try await fixture.boto.answers(to: [
      .init("put_object", ["Bucket": "recordings", "Key": name, "Body": Data([1, 2]).base64EncodedString()])
    ])
    // moto uses its own clock.
    let store = try await S3Fixture(prefix: prefix).store
    try await store.keep(good, by: folder)
    #expect(try await store.contents(of: object) == good)
    let names = try await fixture.names()
    #expect(names.count == 2)
    let aside = try #require(names.first { $0.hasPrefix("\(prefix)/quarantine/") })
    #expect(
      try await fixture.boto.answers(to: [.init("get_object", ["Bucket": "recordings", "Key": aside])])[0].bytes == 2)
  }

  @Test func `a quarantined object has another key, and the reason as metadata`() async throws {
    let fixture = try await S3Fixture()
    let object = try await fixture.store.keep([1, 2, 3], by: folder)
    try await fixture.store.quarantine(object.name, because: "Zerstört: \"seine\" Summe\nist falsch.")
    let names = try await fixture.names()
    let name = try #require(names.first)
    #expect(names.count == 1)
    #expect(name.hasPrefix("\(fixture.settings.prefix)/quarantine/20"))
    #expect(name.hasSuffix("Z-\(object.name.file)"))
    let found = try await fixture.boto.answers(to: [.init("get_object", ["Bucket": "recordings", "Key": name])])[0]
    #expect(found.sha256 == object.hash.rawValue)
    #expect(found.metadata["object"] == object.description)
    #expect(found.metadata["reason"] == "Zerst?rt: \"seine\" Summe?ist falsch.")
    #expect(found.metadata["quarantined-at"]?.hasSuffix("Z") == true)
  }

  @Test func `an object that is too long for one copy is moved to quarantine in parts`() async throws {
    let fixture = try await S3Fixture(copies: (threshold: 12 << 20, part: 6 << 20))
    let file = try LongFile(bytes: 13 << 20, in: folder)
    try await fixture.store.store(file.path, as: file.object, bytes: file.bytes)
    try await fixture.store.quarantine(file.object.name, because: "Its hash is wrong.")
    let names = try await fixture.names()
    #expect(names.count == 1)
    let name = try #require(names.first)
    #expect(name.hasPrefix("\(fixture.settings.prefix)/quarantine/20"))
    let found = try await fixture.boto.answers(to: [.init("get_object", ["Bucket": "recordings", "Key": name])])[0]
    #expect(found.sha256 == file.object.hash.rawValue)
    #expect(found.type == "audio/wav")
    #expect(found.metadata["object"] == file.object.description)
    #expect(found.metadata["reason"] == "Its hash is wrong.")
    #expect(try await fixture.unfinishedUploads() == 0)
  }

  @Test func `a probe leaves no object in the bucket`() async throws {
    let fixture = try await S3Fixture()
    _ = try await fixture.store.probe()
    #expect(try await fixture.names() == [])
  }

  @Test(arguments: [1000, 9 << 20])
  func `bytes without the expected hash are rejected and never visible`(count: Int) async throws {
    let fixture = try await S3Fixture()
    let file = try folder.file([UInt8](repeating: 1, count: count))
    #expect(await failure { try await fixture.store.store(file, as: anyObject, bytes: Int64(count)) } == .storageFailed)
    #expect(folder.exists(file))
    #expect(try await fixture.names() == [])
    #expect(try await fixture.unfinishedUploads() == 0)
  }

  // MARK: Rejected by moto

  @Test(arguments: [
    ("right", "wrong", "AWS_SECRET_ACCESS_KEY"), ("AKIAWRONG", "right", "AWS_ACCESS_KEY_ID"),
  ])
  func `a wrong access key is rejected, and the message names the setting`(
    id: String, secret: String, setting: String
  ) async throws {
    let moto = try await S3Server.running().facts
    let key = S3Server.Key(
      id: id == "right" ? moto.key.id : id, secret: secret == "right" ? moto.key.secret : "canary-\(secret)")
    let store = try await S3Fixture(key: key).store
    let file = try folder.file([1, 2, 3])
    for failure in [
      await error { try await store.probe() },
      await error { try await store.store(file, as: try TestObject([1, 2, 3]), bytes: 3) },
      await error { try await store.open(anyName) },
      await error { try await store.objects(in: anyName.folder) },
      await error { try await store.quarantine(anyName, because: "") },
      await error { try await store.content(of: anyName) },
    ] {
      let error = try #require(failure)
      #expect(error.code == .storageFailed)
      #expect(error.message.contains(setting))
      #expect(!"\(error.message) \(error.detail ?? "") \(error)".contains("canary"))
      #expect(!(error.detail ?? "").contains(moto.key.secret))
    }
    #expect(folder.exists(file))
  }

  @Test func `a missing bucket is reported as such, not as missing objects`() async throws {
    let store = try await S3Fixture(bucket: "no-such-bucket", key: S3Server.running().facts.observer).store
    for failure in [
      await error { try await store.probe() }, await error { try await store.open(anyName) },
      await error { try await store.objects(in: anyName.folder) },
      await error { try await store.quarantine(anyName, because: "") },
      await error { try await store.content(of: anyName) },
    ] {
      #expect(failure?.code == .storageFailed)
      #expect(failure?.message.contains("no such bucket") == true, "\(failure?.detail ?? "")")
    }
  }

  @Test func `the message about missing permissions says where they are documented`() async throws {
    let store = try await S3Fixture(prefix: "elsewhere").store
    let error = await error { try await store.probe() }
    #expect(error?.code == .storageFailed)
    #expect(error?.message.contains("docs/storage-format.md") == true)
  }

  // MARK: Memory

  @Test func `a file of 200 MB is stored and read in less than 100 MiB of memory`() async throws {
    let fixture = try await S3Fixture()
    let file = try LongFile(bytes: 200_000_000, in: folder)
    try Data("5".utf8).write(to: URL(fileURLWithPath: "/proc/self/clear_refs"))
    let before = try Self.peakMemory()
    let clock = ContinuousClock()
    let storing = try await clock.measure {
      try await fixture.store.store(file.path, as: file.object, bytes: file.bytes)
    }
    var found: ContentHash?
    let hashing = try await clock.measure { found = try await fixture.store.content(of: file.object.name).hash }
    #expect(found == file.object.hash)
    let grown = try Self.peakMemory() - before
    print("200 MB: stored in \(storing), read in \(hashing), \(grown >> 20) MiB more memory")
    #expect(grown < 100 << 20)
  }

  /// The peak memory of this process since the mark was reset, in bytes.
  private static func peakMemory() throws -> Int {
    let status = try String(contentsOfFile: "/proc/self/status", encoding: .utf8)
    let line = try #require(status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") })
    return try #require(Int(line.split(separator: " ")[1])) << 10
  }
}
