import Foundation
import Model
import NIOPosix
import ObjectStorage
import TestKit
import Testing

/// What differs between S3 services: moto, and Ceph and OpenStack Swift in `make soak SUITE=stores`.
@Suite(.serialized, .timeLimit(.minutes(3))) struct StoreServiceTests {
  private enum Service: String { case moto, ceph, swift }

  private let service: Service

  init() throws { service = try #require(Service(rawValue: S3Server.chosen ?? "moto")) }

  @Test func `the probe names what the service lacks`() async throws {
    let notes = try await S3Fixture().store.probe()
    let lacking: [String] =
      switch service {
      case .moto, .ceph: []
      case .swift: ["rejects checksums", "no conditional PUT"]
      }
    #expect(notes.count == lacking.count, "\(notes)")
    for (note, feature) in zip(notes, lacking) { #expect(note.contains(feature)) }
  }

  @Test(arguments: [200, 9 << 20, 20 << 20] as [Int64])
  func `an object of another length is kept in quarantine when it is replaced`(bytes: Int64) async throws {
    let folder = try TemporaryFolder()
    let fixture = try await S3Fixture()
    let file = try LongFile(bytes: bytes, in: folder)
    let damaged = try TestObject([1, 2, 3])
    try await fixture.store.store(
      try folder.file([1, 2, 3]), as: TestObject(name: file.object.name, hash: damaged.hash), bytes: 3)
    try await fixture.store.store(file.path, as: file.object, bytes: bytes)
    #expect(try await fixture.store.content(of: file.object.name).hash == file.object.hash)
    #expect(try await fixture.names().count { $0.contains("/quarantine/") } == 1)
    #expect(try await fixture.unfinishedUploads() == 0)
  }

  @Test(arguments: [[UInt8](repeating: 0, count: 3000), [1, 2, 3]])
  func `a copy from a folder replaces damaged objects of the bucket`(damage: [UInt8]) async throws {
    let folder = try TemporaryFolder()
    let fixture = try await S3Fixture()
    let source = try FileObjectStore(in: folder)
    let sound = (0..<3000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
    let objects = [try await source.keep(sound, by: folder), try await source.keep([7], by: folder)]
    try await fixture.store.store(
      try folder.file(damage), as: TestObject(name: objects[0].name, hash: try TestObject(damage).hash),
      bytes: Int64(damage.count))
    let contents = [
      objects[0].name: ObjectContent(hash: objects[0].hash, bytes: 3000),
      objects[1].name: ObjectContent(hash: objects[1].hash, bytes: 1),
    ]
    let copy = ObjectCopy(from: source, to: fixture.store, scratch: folder.path, threads: .singleton)
    let outcome = try await copy.run { folder throws(TapedeckError) in
      contents.filter { $0.key.folder == folder }
    } progress: { _ in
    }
    #expect(outcome == .init(copied: 2, copiedBytes: 3001, repaired: 1))
    for object in objects { #expect(try await fixture.store.content(of: object.name).hash == object.hash) }
  }
}
