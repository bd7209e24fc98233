import Catalog
import Foundation
import Model
import ObjectStorage
import Pipeline
import Sandbox
import SystemPackage
import Testing

/// What a disk, or somebody with a shell, can do to a file.
enum DiskFault: CaseIterable, Sendable {
  case flippedByte, cut, grown, zeroed, emptied, swapped, missing

  func strike(_ object: String, of fixture: PipelineFixture) throws {
    let path = fixture.folder.appending("objects").pushing(FilePath(object)).string
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
    // In place: whoever has the file open reads the damage.
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
    Verifier(catalog: catalog, store: store, surroundings: surroundings, logger: logger)
  }

  /// Has recordings archived.
  func archive(_ ids: String...) async throws {
    try await withWorker {
      for id in ids {
        try await request(id, clearance: .restricted)
        #expect(try await ended(id).runState == .done)
      }
    }
  }

  func part(_ id: String) async throws -> MediaPart {
    try #require(try await catalog.archived(try key(id))?.parts.first)
  }

  func row(_ id: String) async throws -> RecordingRow {
    try #require(try await catalog.recording(try key(id)))
  }

  func object(_ kind: ArchivedFile.Kind, of id: String) async throws -> String {
    let part = try await part(id)
    return switch kind {
    case .original: try #require(part.originalKey)
    case .mp3: part.mp3.key
    case .peaks: part.peaks.key
    }
  }

  /// Every object of some recordings.
  func files(of ids: some Sequence<String>) async throws -> Set<String> {
    var objects: Set<String> = []
    for id in ids {
      for kind in [ArchivedFile.Kind.original, .mp3, .peaks] { objects.insert(try await object(kind, of: id)) }
    }
    return objects
  }

  func otherObject(than object: String) throws -> String {
    let root = folder.appending("objects").string
    let names = try FileManager.default.subpathsOfDirectory(atPath: root).filter { $0.contains(".") && $0 != object }
    return try #require(names.min())
  }

  /// Lets a worker finish the repair of a recording.
  @discardableResult
  func repaired(_ id: String) async throws -> JobRow { try await withWorker { try await ended(id) } }

  /// Each file of each recording is what its row says, and nothing is known to be wrong.
  func expectWhole(sourceLocation: SourceLocation = #_sourceLocation) async throws {
    for recording in try await catalog.archivedRecordings(after: 0, limit: 1000) {
      let seen = try await verifier.verify(recording.key, .look)
      #expect(seen.verdict == .whole, "\(seen.findings)", sourceLocation: sourceLocation)
      #expect(seen.recording?.damage == nil, sourceLocation: sourceLocation)
    }
  }

  func log(_ action: LogEntry.Action) async throws -> [LogEntry] {
    var filter = LogFilter()
    filter.action = action
    return try await catalog.logEntries(matching: filter, before: nil, limit: 100).map(\.entry)
  }

  /// How many requests the tenant had.
  var requests: Int { tenant.ledger.snapshot.endpoints.values.reduce(0, +) }
}
