import Foundation
import Model
import ObjectStorage
import TestKit
import Testing

/// Services that lack a feature of Amazon's.
@Suite(.timeLimit(.minutes(1)))
struct S3ServiceTests {
  private let sound = (0..<1500).map { UInt8(truncatingIfNeeded: $0 &* 37) }
  private let large = (0..<2500).map { UInt8(truncatingIfNeeded: $0 &* 41) }

  private func run(
    _ bucket: FakeBucket, _ body: (ScriptedStore, TemporaryFolder) async throws -> Void
  ) async throws {
    try await ScriptedStore.run(uploads: (2000, 1000)) { request, _ in
      bucket.reply(to: request)
    } _: { store, folder in
      try await body(store, folder)
    }
  }

  private func key(_ object: TestObject) -> String { "p/\(object.name)" }

  // MARK: Conditional writes

  @Test(arguments: [(501, "NotImplemented"), (400, "NotImplemented"), (501, "")])
  func `a service without conditional writes is asked for the object before it is written`(
    status: Int, code: String
  ) async throws {
    let bucket = FakeBucket(.init(refused: [.conditions: (status, code)]))
    try await run(bucket) { scripted, folder in
      let object = try await scripted.store.keep(sound, by: folder)
      #expect(bucket.bytes(key(object)) == sound)
      let before = scripted.calls.count
      // It is known now, so no conditional request is sent in vain.
      let second = try await scripted.store.keep([1, 2, 3], by: folder)
      #expect(bucket.bytes(key(second)) == [1, 2, 3])
      #expect(scripted.calls.dropFirst(before).map { String($0.prefix(4)) } == ["HEAD", "GET ", "PUT "])
    }
  }

  @Test(arguments: [true, false])
  func `without conditional writes, no request follows a HEAD on its connection`(hasConditions: Bool) async throws {
    let bucket = FakeBucket(.init(refused: hasConditions ? [:] : [.conditions: (501, "NotImplemented")]))
    try await run(bucket) { scripted, folder in
      let object = try await scripted.store.keep(sound, by: folder)
      _ = try await scripted.store.open(object.name)
      _ = await error { try await scripted.store.open(anyName) }
      let heads = scripted.server.requests.filter { $0.method == "HEAD" }
      #expect(heads.count == (hasConditions ? 2 : 3))
      for head in heads { #expect(head.header("connection") == (hasConditions ? nil : "close")) }
    }
  }

  @Test(arguments: [true, false])
  func `without conditional writes a damaged object is copied to quarantine before it is replaced`(
    isLarge: Bool
  ) async throws {
    let bucket = FakeBucket(.init(refused: [.conditions: (501, "NotImplemented")]))
    try await run(bucket) { scripted, folder in
      let bytes = isLarge ? large : sound
      let object = try TestObject(bytes)
      bucket.put([9, 9, 9], key(object))
      try await scripted.store.keep(bytes, by: folder)
      #expect(bucket.bytes(key(object)) == bytes)
      let kept = bucket.keys.filter { $0.hasPrefix("p/quarantine/") }
      #expect(kept.map { bucket.bytes($0) } == [[9, 9, 9]])
    }
  }

  @Test func `without conditional writes a whole object is not written again`() async throws {
    let bucket = FakeBucket(.init(refused: [.conditions: (501, "NotImplemented")]))
    try await run(bucket) { scripted, folder in
      try await scripted.store.keep(sound, by: folder)
      let before = scripted.calls.count
      try await scripted.store.keep(sound, by: folder)
      #expect(!scripted.calls.dropFirst(before).contains { $0.hasPrefix("PUT") })
    }
  }

  @Test func `a service that supports nothing is reported with a hint`() async throws {
    try await ScriptedStore.run { request, _ in
      request.method == "HEAD" ? .response(501) : .refusal(501, "NotImplemented")
    } _: { scripted, folder in
      let file = try folder.file(sound)
      let error = await error { try await scripted.store.store(file, as: try TestObject(sound), bytes: 1500) }
      #expect(error?.code == .storageFailed && error?.message.contains("'tapedeck doctor'") == true)
      #expect(folder.exists(file))
    }
  }

  // MARK: Uploads in parts

  @Test(arguments: [1, 2500, 3000])
  func `a damaged large object is kept in quarantine when the service ignores the condition`(
    length: Int
  ) async throws {
    let bucket = FakeBucket(.init(ignoresConditions: true))
    try await run(bucket) { scripted, folder in
      let object = try TestObject(large)
      let damaged = [UInt8](repeating: 7, count: length)
      bucket.put(damaged, key(object))
      try await scripted.store.keep(large, by: folder)
      let kept = bucket.keys.filter { $0.hasPrefix("p/quarantine/") }
      #expect(kept.map { bucket.bytes($0) } == [damaged])
      #expect(bucket.bytes(key(object)) == large)
    }
  }

  @Test func `an upload is completed without checksums when the service rejects them`() async throws {
    let bucket = FakeBucket(.init(rejectsPartChecksums: true))
    try await run(bucket) { scripted, folder in
      let object = try await scripted.store.keep(large, by: folder)
      #expect(bucket.bytes(key(object)) == large)
      let other = try await scripted.store.keep(Array(large.reversed()), by: folder)
      #expect(bucket.bytes(key(other)) == Array(large.reversed()))
      let completions = scripted.server.requests.filter { $0.method == "POST" && $0.target.contains("uploadId") }
      #expect(completions.map { $0.text.contains("ChecksumSHA256") } == [true, false, false])
    }
  }

  @Test func `an upload whose completion is rejected for another reason fails and is aborted`() async throws {
    try await ScriptedStore.run(uploads: (2000, 1000)) { request, _ in
      request.method == "POST" && request.target.contains("uploadId")
        ? .refusal(400, "MalformedXML") : S3PartsTests.good(request)
    } _: { scripted, folder in
      let file = try folder.file(large)
      #expect(
        await failure { try await scripted.store.store(file, as: try TestObject(large), bytes: 2500) }
          == .storageFailed)
      #expect(scripted.calls.last?.hasPrefix("DELETE") == true)
    }
  }

  // MARK: Probe

  @Test func `a probe of a complete service has no notes and leaves nothing`() async throws {
    let bucket = FakeBucket()
    try await run(bucket) { scripted, _ in
      let notes = try await scripted.store.probe()
      #expect(notes == [])
      #expect(bucket.keys == [])
    }
  }

  @Test(arguments: [
    (FakeBucket.Feature.range, "ranges"), (.head, "HeadObject"), (.list, "s3:ListBucket"), (.copy, "CopyObject"),
    (.multipart, "multipart uploads"), (.delete, "s3:DeleteObject"),
  ])
  func `a probe names what the service denies`(feature: FakeBucket.Feature, name: String) async throws {
    let bucket = FakeBucket(.init(refused: [feature: (403, "AccessDenied")]))
    try await run(bucket) { scripted, _ in
      let error = await error { try await scripted.store.probe() }
      #expect(error?.code == .storageFailed)
      #expect(error?.message.contains(name) == true, "\(error?.message ?? "")")
      if feature != .delete { #expect(bucket.keys == [], "the probe is removed") }
    }
  }

  @Test func `a probe notes what Tapedeck does without`() async throws {
    let bucket = FakeBucket(.init(refused: [.conditions: (501, "NotImplemented")], rejectsPartChecksums: true))
    try await run(bucket) { scripted, _ in
      let notes = try await scripted.store.probe()
      #expect(notes.count == 2)
      #expect(notes.contains { $0.contains("no conditional PUT") } && notes.contains { $0.contains("checksums") })
    }
    let careless = FakeBucket(.init(ignoresConditions: true))
    try await run(careless) { scripted, _ in
      let notes = try await scripted.store.probe()
      #expect(notes.first?.contains("ignores If-None-Match") == true)
    }
  }
}
