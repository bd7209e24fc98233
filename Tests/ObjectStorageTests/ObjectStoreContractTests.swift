import Crypto
import Model
import NIOCore
import ObjectStorage
import SystemPackage
import Testing

/// What every object store does.
@Suite(.serialized, .timeLimit(.minutes(3))) struct ObjectStoreContractTests {
  let sound = (0..<1000).map { UInt8(truncatingIfNeeded: $0 &* 37) }

  // MARK: Storing

  @Test(arguments: StoreKind.allCases)
  func `a stored file can be read, and is gone from where it was`(kind: StoreKind) async throws {
    try await kind.withStore { store, folder in
      let file = try folder.file(sound)
      let key = try key(of: sound)
      try await store.store(file, as: key, bytes: 1000)
      #expect(!folder.exists(file))
      let object = try await store.open(key)
      #expect(object.bytes == 1000)
      #expect(try await object.contents(limit: 64) == sound)
      #expect(try await object.contents(limit: .max) == sound)
    }
  }

  @Test(arguments: StoreKind.allCases, [0, 1, (5 << 20) + 1, 40 << 20] as [Int64])
  func `a file of any length comes back as it was`(kind: StoreKind, bytes: Int64) async throws {
    try await kind.withStore { store, folder in
      let file = try LongFile(bytes: bytes, in: folder)
      try await store.store(file.path, as: file.key, bytes: bytes)
      #expect(!folder.exists(file.path))
      let found = try await store.sha256(of: file.key)
      #expect(found.sha256 == file.key.sha256)
      #expect(found.bytes == bytes)
      let object = try await store.open(file.key)
      #expect(object.bytes == bytes)
      // Around the borders of the parts that it may have been stored in.
      for start in stride(from: Int64(0), to: bytes, by: 6 << 20) {
        let span = max(0, start - 100)..<min(bytes, start + 100)
        #expect(try await object.bytes(span.lowerBound, span.count) == LongFile.contents(span))
      }
      #expect(try await store.objects(in: file.key.folder).map(\.bytes) == [bytes])
    }
  }

  @Test(arguments: StoreKind.allCases, [1000, 9 << 20] as [Int64])
  func `storing the same key twice leaves one object`(kind: StoreKind, bytes: Int64) async throws {
    try await kind.withStore { store, folder in
      for _ in 0..<2 {
        let file = try LongFile(bytes: bytes, in: folder)
        try await store.store(file.path, as: file.key, bytes: bytes)
        #expect(!folder.exists(file.path))
        #expect(try await store.keys() == [file.key])
        #expect(try await store.sha256(of: file.key).sha256 == file.key.sha256)
      }
    }
  }

  @Test(arguments: StoreKind.allCases, [1000, 9 << 20] as [Int64])
  func `the same key from 16 tasks at once is one object`(kind: StoreKind, bytes: Int64) async throws {
    try await kind.withStore { store, folder in
      let key = try LongFile(bytes: bytes, in: folder).key
      try await withThrowingTaskGroup(of: Void.self) { group in
        for _ in 0..<16 {
          let file = try LongFile(bytes: bytes, in: folder)
          group.addTask { try await store.store(file.path, as: key, bytes: bytes) }
        }
        try await group.waitForAll()
      }
      #expect(try await store.objects(in: key.folder).map(\.key) == [key])
      #expect(try await store.sha256(of: key).sha256 == key.sha256)
    }
  }

  @Test(arguments: StoreKind.allCases)
  func `many files at the same moment are all stored`(kind: StoreKind) async throws {
    try await kind.withStore { store, folder in
      let keys = try await withThrowingTaskGroup(of: ObjectKey.self) { group in
        // Four of each.
        for number in 0..<64 { group.addTask { try await store.keep([UInt8(number % 16)], by: folder) } }
        return try await group.reduce(into: Set()) { $0.insert($1) }
      }
      #expect(keys.count == 16)
      #expect(try await store.keys() == keys)
      for number in UInt8(0)..<16 { #expect(try await store.contents(of: try key(of: [number])) == [number]) }
    }
  }

  @Test(arguments: StoreKind.allCases, [Int64(999), 1001, 0, -1, .max])
  func `a file of another length than was counted is refused, and nothing is visible`(
    kind: StoreKind, bytes: Int64
  ) async throws {
    try await kind.withStore { store, folder in
      let (file, key) = (try folder.file(sound), try key(of: sound))
      #expect(await failure { try await store.store(file, as: key, bytes: bytes) } == .storageFailed)
      #expect(try await store.keys().isEmpty)
      #expect(await failure { try await store.open(key) } == .objectMissing)
    }
  }

  @Test(arguments: StoreKind.allCases)
  func `a refused file leaves the object of an earlier one as it was`(kind: StoreKind) async throws {
    try await kind.withStore { store, folder in
      let key = try await store.keep(sound, by: folder)
      let half = try folder.file(Array(sound[..<500]))
      #expect(await failure { try await store.store(half, as: key, bytes: 1000) } == .storageFailed)
      #expect(try await store.contents(of: key) == sound)
    }
  }

  @Test(arguments: StoreKind.allCases)
  func `a file that is not there cannot be stored, which is no missing object`(kind: StoreKind) async throws {
    try await kind.withStore { store, folder in
      let file = folder.path.appending("nothing")
      #expect(await failure { try await store.store(file, as: anyKey, bytes: 0) } == .storageFailed)
      let keys = try await store.keys()
      #expect(keys.isEmpty)
    }
  }

  @Test(arguments: StoreKind.allCases)
  func `whoever was cancelled before it was its turn is told so, and nothing is stored`(
    kind: StoreKind
  ) async throws {
    try await kind.withStore { store, folder in
      let (file, key) = (try folder.file(sound), try key(of: sound))
      let task = Task {
        withUnsafeCurrentTask { $0?.cancel() }
        return await failure { try await store.store(file, as: key, bytes: 1000) }
      }
      #expect(await task.value == .interrupted)
      #expect(folder.exists(file))
      #expect(try await store.keys().isEmpty)
    }
  }

  @Test(arguments: StoreKind.allCases)
  func `kinds of the same hash are different objects`(kind: StoreKind) async throws {
    try await kind.withStore { store, folder in
      for kind in ObjectKey.Kind.allCases { try await store.keep(sound, kind, by: folder) }
      #expect(try await store.keys().count == ObjectKey.Kind.allCases.count)
      try await store.quarantine(try key(of: sound, .mp3), because: "")
      #expect(try await store.keys() == [try key(of: sound, .wav), try key(of: sound, .peaks)])
    }
  }

  // MARK: Reading

  @Test(arguments: StoreKind.allCases)
  func `any part of an object can be read, and nothing outside it`(kind: StoreKind) async throws {
    try await kind.withStore { store, folder in
      let object = try await store.open(try await store.keep(sound, by: folder))
      for (offset, limit, span) in [
        (0, 3, 0..<3), (500, 10, 500..<510), (510, 10, 510..<520), (520, 1, 520..<521), (521, 400, 521..<921),
        (999, 1, 999..<1000), (998, 10, 998..<1000), (0, 1000, 0..<1000), (0, 1001, 0..<1000), (1, .max, 1..<1000),
        (0, 1, 0..<1),
      ] {
        #expect(try await object.bytes(Int64(offset), limit) == Array(sound[span]), "\(offset), \(limit)")
      }
      for (offset, limit) in [(1000, 1), (1001, 1), (.max, .max), (-1, 5), (.min, .max), (0, 0), (0, -1)] {
        #expect(try await object.read(at: Int64(offset), limit: limit).readableBytes == 0)
      }
    }
  }

  @Test(arguments: StoreKind.allCases)
  func `a read gives all that was asked for, and many readers do not disturb each other`(
    kind: StoreKind
  ) async throws {
    try await kind.withStore { store, folder in
      let file = try LongFile(bytes: 3 << 20, in: folder)
      try await store.store(file.path, as: file.key, bytes: file.bytes)
      #expect(try await store.open(file.key).bytes(5, 1 << 20) == LongFile.contents(5..<5 + 1 << 20))
      let object = try await store.open(file.key)
      try await withThrowingTaskGroup(of: Void.self) { group in
        for start in stride(from: Int64(0), to: 1 << 20, by: 128 << 10) {
          group.addTask {
            for offset in stride(from: start, to: start + 512 << 10, by: 60_000) {
              let piece = try await object.bytes(offset, 60_000)
              #expect(piece == LongFile.contents(offset..<offset + 60_000))
            }
          }
        }
        try await group.waitForAll()
      }
    }
  }

  @Test(arguments: StoreKind.allCases)
  func `what was never stored is missing, and may be set aside`(kind: StoreKind) async throws {
    try await kind.withStore { store, _ in
      #expect(await failure { try await store.open(anyKey) } == .objectMissing)
      #expect(await failure { try await store.sha256(of: anyKey) } == .objectMissing)
      try await store.quarantine(anyKey, because: "It was never there.")
    }
  }

  @Test(arguments: StoreKind.allCases)
  func `an object that is set aside gives its own bytes to whoever has it open, or says that it is missing`(
    kind: StoreKind
  ) async throws {
    try await kind.withStore { store, folder in
      let key = try await store.keep(sound, by: folder)
      let object = try await store.open(key)
      try await store.quarantine(key, because: "")
      do { #expect(try await object.bytes(500, 10) == Array(sound[500..<510])) } catch let error as TapedeckError {
        #expect(error.code == .objectMissing)
      }
      #expect(await failure { try await store.open(key) } == .objectMissing)
      #expect(try await store.keys().isEmpty)
    }
  }

  // MARK: Listing

  @Test(arguments: StoreKind.allCases)
  func `a folder lists its objects, their lengths and when they were stored, and no others`(
    kind: StoreKind
  ) async throws {
    try await kind.withStore { store, folder in
      let before = Instant.systemNow()
      let key = try await store.keep(sound, by: folder)
      let other = try await store.keep([1, 2, 3], .peaks, by: folder)
      #expect(key.folder != other.folder)
      let listed = try await store.objects(in: key.folder)
      #expect(listed.map(\.key) == [key])
      #expect(listed.map(\.bytes) == [1000])
      // S3 tells whole seconds.
      let age = try #require(listed.first).changedAt - before
      #expect(age > .seconds(-2) && age < .seconds(60))
      #expect(try await store.objects(in: other.folder).map(\.key) == [other])
      #expect(try await store.keys() == [key, other])
    }
  }

  @Test(arguments: StoreKind.allCases)
  func `a folder of more than 1,000 objects is listed to its end`(kind: StoreKind) async throws {
    try await kind.withStore { store, folder in
      let keys = try await withThrowingTaskGroup(of: ObjectKey.self) { group in
        var (waiting, keys) = (Self.crowd[...], Set<ObjectKey>())
        for contents in waiting.prefix(16) { group.addTask { try await store.keep(contents, by: folder) } }
        waiting = waiting.dropFirst(16)
        for try await key in group {
          keys.insert(key)
          if let contents = waiting.popFirst() { group.addTask { try await store.keep(contents, by: folder) } }
        }
        return keys
      }
      #expect(keys.count == 1005)
      let listed = try await store.objects(in: try #require(keys.first).folder)
      #expect(listed.count == 1005)
      #expect(Set(listed.map(\.key)) == keys)
    }
  }

  /// Different contents whose hashes all begin with the same two digits.
  private static let crowd: [[UInt8]] = {
    var found: [[UInt8]] = []
    for number in UInt32(0)... where found.count < 1005 {
      let contents = withUnsafeBytes(of: number) { Array($0) }
      if SHA256.hash(data: contents).withUnsafeBytes({ $0[0] }) == 0xAB { found.append(contents) }
      if found.count == 1005 { break }
    }
    return found
  }()

  // MARK: Care

  @Test(arguments: StoreKind.allCases)
  func `an object in quarantine is out of service, and the right one can be stored again`(
    kind: StoreKind
  ) async throws {
    try await kind.withStore { store, folder in
      let key = try await store.keep(sound, by: folder)
      _ = try await store.open(key)
      try await store.quarantine(key, because: "Its hash is not its name.")
      #expect(await failure { try await store.open(key) } == .objectMissing)
      #expect(await failure { try await store.sha256(of: key) } == .objectMissing)
      #expect(try await store.keys().isEmpty)
      try await store.keep(sound, by: folder)
      #expect(try await store.contents(of: key) == sound)
      #expect(try await store.keys() == [key])
    }
  }

  @Test(arguments: StoreKind.allCases)
  func `a store that can be used says so, and shows nothing of the attempt`(kind: StoreKind) async throws {
    try await kind.withStore { store, _ in
      try await store.probe()
      #expect(try await store.keys().isEmpty)
    }
  }

  @Test(arguments: StoreKind.allCases)
  func `an object lies where other systems can find it`(kind: StoreKind) async throws {
    try await kind.withStore { store, _ in
      let location = store.location(of: anyKey)
      #expect(location.hasPrefix("/") || location.hasPrefix("s3://"))
      #expect(location.hasSuffix("/\(anyKey.description)"))
    }
  }
}
