import Catalog
import Model
import TestKit
import Testing

/// Names of objects: how an ingest gets them, and which of them reconciliation finds unused.
@Suite(.serialized) struct ObjectTests {
  private func content(_ digits: String, bytes: Int64 = 5) -> ObjectContent {
    ObjectContent(hash: TestCatalog.hash(digits), bytes: bytes)
  }

  @Test(arguments: DatabaseKind.allCases)
  func `equal content has one name, other content and other kinds have others`(kind: DatabaseKind) async throws {
    let test = try await TestCatalog(kind)
    let first = try await test.catalog.reserve([(.wav, content("aa")), (.mp3, content("aa")), (.mp3, content("bb"))])
    #expect(first.map(\.kind) == [.wav, .mp3, .mp3])
    #expect(Set(first).count == 3)
    let again = try await test.catalog.reserve([(.mp3, content("bb")), (.wav, content("aa"))])
    #expect(again == [first[2], first[0]])
    #expect(try await test.catalog.object(.wav, TestCatalog.hash("aa")) == first[0])
    #expect(try await test.catalog.object(.peaks, TestCatalog.hash("aa")) == nil)
    #expect(try await test.catalog.reserve([]) == [])
    let folder = String(first[0].digits.prefix(2))
    #expect(try await test.catalog.objectContents(inFolder: folder)[first[0]] == content("aa"))
  }

  @Test(arguments: DatabaseKind.allCases)
  func `16 workers that store equal content at once get one name`(kind: DatabaseKind) async throws {
    let test = try await TestCatalog(kind)
    let names = try await withThrowingTaskGroup(of: [ObjectName].self) { group in
      for _ in 0..<16 {
        group.addTask { try await test.catalog.reserve([(.wav, content("aa")), (.mp3, content("bb"))]) }
      }
      return try await group.reduce(into: Set()) { $0.insert($1) }
    }
    #expect(names.count == 1)
    #expect(try await test.count("object") == 2)
  }

  @Test(arguments: DatabaseKind.allCases)
  func `the objects of a folder are known with their use`(kind: DatabaseKind) async throws {
    let test = try await TestCatalog(kind)
    let part = try await test.archiveRecording("call-1").parts[0]
    var known = try await test.catalog.knownObjects(inFolder: "ab")
    #expect(
      known.referenced == [
        try #require(part.original): part.sourceBytes, part.mp3.name: part.mp3.bytes, part.peaks.name: part.peaks.bytes,
      ])
    #expect(known.reserved.isEmpty && known.removing.isEmpty && !known.isStoring)
    for folder in ["aa", "ac", "00", "ff", "a9", "9f"] {
      #expect(try await test.catalog.knownObjects(inFolder: folder).referenced.isEmpty)
    }

    try await test.insertObjects("ac")
    known = try await test.catalog.knownObjects(inFolder: "ac")
    #expect(known.reserved.count == 3)
    #expect(known.reserved[TestCatalog.object("ac", .mp3)]?.at == test.clock.now)
    #expect(known.reserved[TestCatalog.object("ac", .mp3)]?.hash == TestCatalog.hash("ac"))

    let (_, lease) = try await test.jobInProcessing("call-2")
    #expect(try await test.catalog.knownObjects(inFolder: "ab").isStoring)
    try await test.catalog.release(lease, .interrupted)
    #expect(try await !test.catalog.knownObjects(inFolder: "ab").isStoring)
  }

  @Test(arguments: DatabaseKind.allCases)
  func `the names of each folder are within its bounds`(kind: DatabaseKind) async throws {
    let test = try await TestCatalog(kind)
    let names = try UInt8.allCases.flatMap { number in
      try ["0", "f"].map { rest in
        try #require(ObjectName(digits: hex([number]) + String(repeating: rest, count: 30), kind: .mp3))
      }
    }
    _ = try await test.database.write { db in
      for (number, name) in names.enumerated() {
        try db.execute(
          """
          INSERT INTO object (name, kind, sha256, bytes, reserved_at)
          VALUES (\(name), 'mp3', \(ContentHash(digest: [UInt8(number / 256), UInt8(number % 256)] + [UInt8](repeating: 0, count: 30))), 1, 1)
          """)
      }
    }
    for pair in stride(from: 0, to: names.count, by: 2) {
      let known = try await test.catalog.knownObjects(inFolder: String(names[pair].digits.prefix(2)))
      #expect(Set(known.reserved.keys) == [names[pair], names[pair + 1]])
    }
  }

  @Test(arguments: DatabaseKind.allCases)
  func `an unused reservation is deleted, one that was renewed or committed is not`(kind: DatabaseKind) async throws {
    let test = try await TestCatalog(kind)
    let names = try await test.catalog.reserve([(.wav, content("aa")), (.mp3, content("bb"))])
    let old = KnownObjects.Reservation(hash: TestCatalog.hash("aa"), at: test.clock.now)
    #expect(try await test.catalog.hasObject(names[0]))
    test.clock.advance(by: .seconds(1))
    _ = try await test.catalog.reserve([(.wav, content("aa"))])
    #expect(try await !test.catalog.deleteReservation(names[0], old))
    #expect(try await test.catalog.deleteReservation(names[1], old))
    #expect(try await !test.catalog.deleteReservation(names[1], old))
    #expect(try await !test.catalog.hasObject(names[1]))
    #expect(try await test.catalog.object(.mp3, TestCatalog.hash("bb")) == nil)
    #expect(try await test.catalog.reserve([(.mp3, content("bb"))]) != [names[1]])

    let part = try await test.archiveRecording("call-1").parts[0]
    let committed = KnownObjects.Reservation(hash: part.mp3.hash, at: test.clock.now)
    #expect(try await !test.catalog.deleteReservation(part.mp3.name, committed))
  }

  @Test(arguments: DatabaseKind.allCases)
  func `a commit whose reservation was deleted changes nothing`(kind: DatabaseKind) async throws {
    let test = try await TestCatalog(kind)
    let (_, lease) = try await test.jobInProcessing()
    let archive = try test.archive()
    let reservation = KnownObjects.Reservation(hash: archive.parts[0].mp3.hash, at: test.clock.now)
    #expect(try await test.catalog.deleteReservation(archive.parts[0].mp3.name, reservation))
    let before = try await test.everything()
    #expect(await failure { try await test.catalog.archive(archive, lease: lease) } == .storageFailed)
    #expect(try await test.everything() == before)
  }
}

extension UInt8 {
  fileprivate static var allCases: [UInt8] { Array(UInt8.min ... .max) }
}
