import Catalog
import Model
import TestKit
import Testing

/// When objects that lost their last reference are removed, and when they are not.
@Suite(.serialized) struct RemovalTests {
  private static let grace = Catalog.removalGrace

  /// Archives a recording with objects whose digits are given; as a repair when it is archived already.
  @discardableResult
  private func archive(_ name: String, with digits: String, _ test: TestCatalog) async throws -> MediaPart {
    _ = try await test.database.write { db in
      try db.execute("UPDATE job SET run_state = 'failed', stage = 'processing' WHERE platform_id = \(name)")
    }
    let (_, lease) = try await test.jobInProcessing(name)
    try await test.insertObjects(digits)
    let archive = try makeArchive(name, with: digits, test)
    try await test.catalog.archive(archive, lease: lease)
    return archive.parts[0]
  }

  private func makeArchive(_ name: String, with digits: String, _ test: TestCatalog) throws -> Archive {
    var archive = try test.archive(name)
    archive.message = nil
    archive.parts[0].sourceHash = TestCatalog.hash(digits)
    archive.parts[0].original = TestCatalog.object(digits, .wav)
    archive.parts[0].mp3.name = TestCatalog.object(digits, .mp3)
    archive.parts[0].mp3.hash = TestCatalog.hash(digits)
    archive.parts[0].peaks.name = TestCatalog.object(digits, .peaks)
    archive.parts[0].peaks.hash = TestCatalog.hash(digits)
    return archive
  }

  private func due(_ test: TestCatalog) async throws -> Set<ObjectName> {
    Set(try await test.catalog.dueRemovals(limit: 100))
  }

  private func logged(_ test: TestCatalog) async throws -> [LogEntry] {
    var filter = LogFilter()
    filter.action = .removeObject
    return try await test.catalog.logEntries(matching: filter, before: nil, limit: 100).map(\.entry)
  }

  @Test(arguments: DatabaseKind.allCases)
  func `replaced objects are removed after the grace period, and each removal is logged`(
    kind: DatabaseKind
  ) async throws {
    let test = try await TestCatalog(kind)
    let old = try await archive("call-1", with: "aa", test)
    #expect(try await test.count("object_removal") == 0)
    let new = try await archive("call-1", with: "bb", test)
    #expect(try await test.catalog.knownObjects(inFolder: "aa").removing == Set(old.objects))
    #expect(try await due(test).isEmpty)
    #expect(try await !test.catalog.beginRemoval(old.mp3.name))
    test.clock.advance(by: Self.grace)
    #expect(try await due(test) == Set(old.objects))
    #expect(try await !test.catalog.beginRemoval(new.mp3.name))
    for name in old.objects {
      #expect(try await test.catalog.beginRemoval(name))
      // The catalog has the name as long as the file may exist.
      #expect(try await test.catalog.hasObject(name))
      #expect(try await test.catalog.knownObjects(inFolder: "aa").removing.contains(name))
      try await test.catalog.endRemoval(name)
      #expect(try await !test.catalog.hasObject(name))
    }
    #expect(try await test.catalog.archived(try key("call-1"))?.parts == [new])
    let entries = try await logged(test)
    #expect(Set(entries.map { $0.details["object"] }) == Set(old.objects.map(\.rawValue)))
    #expect(entries.allSatisfy { $0.recording?.id.rawValue == "call-1" && $0.actor == nil && $0.outcome == .allowed })
    #expect(entries.allSatisfy { $0.details["sha256"] == old.mp3.hash.rawValue })
    #expect(Set(entries.compactMap(\.count)) == [2_880_044, 700_000, 18_024])
  }

  @Test(arguments: DatabaseKind.allCases)
  func `an object that another recording has is not scheduled`(kind: DatabaseKind) async throws {
    let test = try await TestCatalog(kind)
    let shared = try await archive("call-1", with: "aa", test)
    try await archive("call-2", with: "aa", test)
    try await archive("call-1", with: "bb", test)
    #expect(try await test.count("object_removal") == 0)
    try await archive("call-2", with: "cc", test)
    #expect(try await test.catalog.knownObjects(inFolder: "aa").removing == Set(shared.objects))
  }

  @Test(arguments: DatabaseKind.allCases)
  func `an original that a repair no longer keeps is scheduled, the rest stays`(kind: DatabaseKind) async throws {
    let test = try await TestCatalog(kind)
    let part = try await archive("call-1", with: "ab", test)
    _ = try await test.database.write { db in try db.execute("UPDATE job SET run_state = 'failed'") }
    let (_, lease) = try await test.jobInProcessing()
    var again = try makeArchive("call-1", with: "ab", test)
    again.parts[0].original = nil
    try await test.catalog.archive(again, lease: lease)
    #expect(try await test.catalog.knownObjects(inFolder: "ab").removing == [try #require(part.original)])
  }

  @Test(arguments: DatabaseKind.allCases)
  func `a reservation of equal content postpones the removal, its commit cancels it`(kind: DatabaseKind) async throws {
    let test = try await TestCatalog(kind)
    let old = try await archive("call-1", with: "aa", test)
    try await archive("call-1", with: "bb", test)
    test.clock.advance(by: Self.grace)
    #expect(try await due(test).count == 3)
    let names = try await test.catalog.reserve([(.mp3, old.mp3.content), (.peaks, old.peaks.content)])
    #expect(names == [old.mp3.name, old.peaks.name])
    #expect(try await due(test) == [try #require(old.original)])
    #expect(try await !test.catalog.beginRemoval(old.mp3.name))

    try await archive("call-2", with: "aa", test)
    #expect(try await test.count("object_removal") == 0)
    test.clock.advance(by: Self.grace)
    for name in old.objects { #expect(try await !test.catalog.beginRemoval(name)) }
    #expect(try await logged(test).isEmpty)
  }

  @Test(arguments: DatabaseKind.allCases)
  func `a removal that has started is repeated after a crash, and logged once`(kind: DatabaseKind) async throws {
    let test = try await TestCatalog(kind)
    let old = try await archive("call-1", with: "aa", test)
    try await archive("call-1", with: "bb", test)
    test.clock.advance(by: Self.grace)
    for _ in 0..<3 { #expect(try await test.catalog.beginRemoval(old.mp3.name)) }
    #expect(try await due(test).contains(old.mp3.name))
    #expect(try await logged(test).count == 1)
    // Equal content gets a new name from now on, and cannot cancel the removal.
    let name = try #require(try await test.catalog.reserve([(.mp3, old.mp3.content)]).first)
    #expect(name != old.mp3.name)
    #expect(try await test.catalog.beginRemoval(old.mp3.name))
    for _ in 0..<2 { try await test.catalog.endRemoval(old.mp3.name) }
    #expect(try await !due(test).contains(old.mp3.name))
    #expect(try await test.catalog.object(.mp3, old.mp3.hash) == name)
  }

  @Test(arguments: DatabaseKind.allCases)
  func `ending a removal that has not started changes nothing`(kind: DatabaseKind) async throws {
    let test = try await TestCatalog(kind)
    let old = try await archive("call-1", with: "aa", test)
    try await archive("call-1", with: "bb", test)
    let before = try await test.everything()
    try await test.catalog.endRemoval(old.mp3.name)
    #expect(try await test.everything() == before)
  }

  @Test(arguments: DatabaseKind.allCases)
  func `a commit of an object whose removal has started changes nothing`(kind: DatabaseKind) async throws {
    let test = try await TestCatalog(kind)
    let old = try await archive("call-1", with: "aa", test)
    let (_, lease) = try await test.jobInProcessing("call-2")
    let late = try makeArchive("call-2", with: "aa", test)
    try await archive("call-1", with: "bb", test)
    test.clock.advance(by: Self.grace)
    #expect(try await test.catalog.beginRemoval(old.peaks.name))
    let before = try await test.everything()
    #expect(await failure { try await test.catalog.archive(late, lease: lease) } == .storageFailed)
    #expect(try await test.everything() == before)
  }

  @Test(arguments: DatabaseKind.allCases)
  func `a removal whose object is referenced after all is cancelled`(kind: DatabaseKind) async throws {
    let test = try await TestCatalog(kind)
    let part = try await archive("call-1", with: "aa", test)
    _ = try await test.database.write { db in
      try db.execute(
        """
        INSERT INTO object_removal (name, sha256, bytes, recording_id, due_at)
        VALUES (\(part.mp3.name), \(part.mp3.hash), 1, 1, 0)
        """)
    }
    #expect(try await !test.catalog.beginRemoval(part.mp3.name))
    #expect(try await test.count("object_removal") == 0)
    #expect(try await test.count("object") == 6)
  }

  @Test(arguments: DatabaseKind.allCases)
  func `an original that an unfinished job needs is not removed`(kind: DatabaseKind) async throws {
    let test = try await TestCatalog(kind)
    let old = try await archive("call-1", with: "aa", test)
    let original = try #require(old.original)
    try await archive("call-1", with: "bb", test)
    let (_, lease) = try await test.jobInProcessing("call-2")
    try await test.catalog.recordProgress(
      of: lease, JobPart(0, download: nil, bytes: 1, totalBytes: 1, sha256: old.sourceHash.rawValue), resumes: 0,
      stage: .processing
    )
    test.clock.advance(by: Self.grace)
    #expect(try await !test.catalog.beginRemoval(original))
    #expect(try await !due(test).contains(original))
    #expect(try await test.catalog.object(.wav, old.sourceHash) == original)
    try await test.catalog.release(lease, .fail(TapedeckError(.internalError)))
    test.clock.advance(by: Self.grace)
    #expect(try await test.catalog.beginRemoval(original))
  }

  @Test(arguments: DatabaseKind.allCases)
  func `of a commit and the removal of the same object at once, exactly one succeeds`(kind: DatabaseKind) async throws {
    let test = try await TestCatalog(kind)
    for round in 0..<20 {
      // New digits in each round; the job of another recording is about to commit the object that is being removed.
      let digits = hex([UInt8(0x10 + round)])
      let old = try await archive("call-1", with: digits, test)
      let (_, lease) = try await test.jobInProcessing("late-\(round)")
      let late = try makeArchive("late-\(round)", with: digits, test)
      try await archive("call-1", with: "bb", test)
      test.clock.advance(by: Self.grace)
      async let commit = failure { try await test.catalog.archive(late, lease: lease) }
      async let removes = test.catalog.beginRemoval(old.mp3.name)
      let (error, isRemoved) = try await (commit, removes)
      #expect(error == (isRemoved ? .storageFailed : nil))
      #expect(try await test.catalog.object(.mp3, old.mp3.hash) == (isRemoved ? nil : old.mp3.name))
      if isRemoved { try await test.catalog.release(lease, .fail(TapedeckError(.internalError))) }
    }
  }

  @Test(arguments: DatabaseKind.allCases)
  func `of a reservation and the removal of equal content at once, the name stays or is a new one`(
    kind: DatabaseKind
  ) async throws {
    let test = try await TestCatalog(kind)
    for round in 0..<20 {
      let digits = hex([UInt8(0x10 + round)])
      let old = try await archive("call-1", with: digits, test)
      try await archive("call-1", with: "bb", test)
      test.clock.advance(by: Self.grace)
      async let reserved = test.catalog.reserve([(.mp3, old.mp3.content)])
      async let removes = test.catalog.beginRemoval(old.mp3.name)
      let (names, isRemoved) = try await (reserved, removes)
      #expect(isRemoved ? names != [old.mp3.name] : names == [old.mp3.name])
      #expect(try await test.catalog.object(.mp3, old.mp3.hash) == names.first)
    }
  }
}
