import Catalog
import Foundation
import Model
import ObjectStorage
import Pipeline
import Sandbox
import SystemPackage
import Testing

/// What a disk, or a person with a shell, can do to a file.
enum DiskFault: CaseIterable, Sendable {
  case flippedByte, cut, grown, zeroed, emptied, swapped, missing

  func strike(_ object: ObjectName, of fixture: PipelineFixture) throws {
    let path = fixture.folder.appending("objects").pushing(FilePath(object.description)).string
    var bytes = try fixture.bytes(ofObject: object)
    switch self {
    case .flippedByte: bytes[bytes.count / 2] ^= 0x40
    case .cut: bytes.removeLast(bytes.count / 3)
    case .grown: bytes.append(0)
    case .zeroed: for index in bytes.count / 4..<bytes.count / 2 { bytes[index] = 0 }
    case .emptied: bytes = []
    case .swapped: bytes = try fixture.bytes(ofObject: try fixture.otherObject(than: object))
    case .missing:
      try FileManager.default.removeItem(atPath: path)
      return
    }
    // In place: readers that have the file open read the damage.
    try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: path)
    let file = try FileHandle(forWritingTo: URL(filePath: path))
    try file.write(contentsOf: bytes)
    try file.truncate(atOffset: UInt64(bytes.count))
    try file.close()
  }
}

extension PipelineFixture {
  var verifier: Verifier { verifier(on: store) }

  func verifier(on store: any ObjectStore) -> Verifier {
    Verifier(catalog: catalog, store: store, system: system, logger: logger)
  }

  /// Archives recordings.
  func archive(_ ids: String...) async throws {
    try await withWorker {
      for id in ids {
        try await request(id, clearance: .restricted)
        let job = try await ended(id)
        #expect(job.runState == .done, "\(String(describing: job.failure))")
      }
    }
  }

  func part(_ id: String) async throws -> MediaPart {
    try #require(try await catalog.archived(try key(id))?.parts.first)
  }

  func row(_ id: String) async throws -> RecordingRow {
    try #require(try await catalog.recording(try key(id)))
  }

  func object(_ kind: FileKind, of id: String) async throws -> ObjectName {
    let part = try await part(id)
    return switch kind {
    case .original: try #require(part.original)
    case .mp3: part.mp3.name
    case .peaks: part.peaks.name
    }
  }

  /// Every object of some recordings.
  func files(of ids: some Sequence<String>) async throws -> Set<ObjectName> {
    var objects: Set<ObjectName> = []
    for id in ids {
      for kind in [FileKind.original, .mp3, .peaks] { objects.insert(try await object(kind, of: id)) }
    }
    return objects
  }

  func otherObject(than object: ObjectName) throws -> ObjectName {
    let root = folder.appending("objects").string
    let names = try FileManager.default.subpathsOfDirectory(atPath: root).compactMap(ObjectName.init)
    return try #require(names.filter { $0 != object }.min { $0.rawValue < $1.rawValue })
  }

  /// Lets a worker finish the repair of a recording.
  @discardableResult
  func repaired(_ id: String) async throws -> JobRow { try await withWorker { try await ended(id) } }

  /// Checks that each file of each recording is as its row says, and that no damage is recorded.
  func expectWhole(sourceLocation: SourceLocation = #_sourceLocation) async throws {
    for recording in try await catalog.archivedRecordings(after: 0, limit: 1000) {
      let seen = try await verifier.verify(recording.key, .report)
      #expect(seen.verdict == .whole, "\(seen.findings)", sourceLocation: sourceLocation)
      #expect(seen.recording?.damage == nil, sourceLocation: sourceLocation)
    }
  }

  func log(_ action: LogEntry.Action) async throws -> [LogEntry] {
    var filter = LogFilter()
    filter.action = action
    return try await catalog.logEntries(matching: filter, before: nil, limit: 100).map(\.entry)
  }

  /// The number of requests to the tenant.
  var requests: Int { tenant.statistics.snapshot.endpoints.values.reduce(0, +) }
}
