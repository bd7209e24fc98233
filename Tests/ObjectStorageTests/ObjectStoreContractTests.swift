import Model
import NIOCore
import ObjectStorage
import SystemPackage
import Testing

/// What every object store does.
@Suite struct ObjectStoreContractTests {
  let sound = (0..<1000).map { UInt8(truncatingIfNeeded: $0 &* 37) }
  let endOfTime = Instant(milliseconds: .max)

  @Test(arguments: StoreKind.allCases)
  func `a stored file can be read, and is gone from where it was`(kind: StoreKind) async throws {
    try await kind.withStore { store, folder in
      let file = try folder.file(sound)
      try await store.store(file, as: try key(1), bytes: 1000)
      #expect(!folder.exists(file))
      let object = try await store.open(try key(1))
      #expect(object.bytes == 1000)
      #expect(try await object.contents(limit: 64) == sound)
      #expect(try await object.contents(limit: .max) == sound)
    }
  }

  @Test(arguments: StoreKind.allCases)
  func `any part of an object can be read, and nothing outside it`(kind: StoreKind) async throws {
    try await kind.withStore { store, folder in
      try await store.store(try folder.file(sound), as: try key(1), bytes: 1000)
      let object = try await store.open(try key(1))
      #expect(Array(try await object.read(at: 0, limit: 3).readableBytesView) == Array(sound[..<3]))
      #expect(Array(try await object.read(at: 500, limit: 10).readableBytesView) == Array(sound[500..<510]))
      #expect(Array(try await object.read(at: 998, limit: 10).readableBytesView) == Array(sound[998...]))
      for (offset, limit) in [(1000, 1), (1001, 1), (.max, .max), (-1, 5), (.min, .max), (0, 0), (0, -1)] {
        #expect(try await object.read(at: Int64(offset), limit: limit).readableBytes == 0)
      }
    }
  }

  @Test(arguments: StoreKind.allCases)
  func `an empty file is an object`(kind: StoreKind) async throws {
    try await kind.withStore { store, folder in
      try await store.store(try folder.file([]), as: try key(1), bytes: 0)
      let object = try await store.open(try key(1))
      #expect(object.bytes == 0)
      #expect(try await object.contents() == [])
    }
  }

  @Test(arguments: StoreKind.allCases)
  func `storing the same key twice leaves one object`(kind: StoreKind) async throws {
    try await kind.withStore { store, folder in
      for _ in 0..<2 { try await store.store(try folder.file(sound), as: try key(1), bytes: 1000) }
      #expect(try await store.keys(unchangedSince: endOfTime) == [try key(1)])
      #expect(try await store.contents(of: try key(1)) == sound)
    }
  }

  @Test(arguments: StoreKind.allCases)
  func `many files at the same moment are all stored`(kind: StoreKind) async throws {
    try await kind.withStore { store, folder in
      try await withThrowingTaskGroup(of: Void.self) { group in
        for number in 0..<64 {
          // Four of each key; keys share folders by 16.
          let file = try folder.file([UInt8(number % 16)])
          group.addTask { try await store.store(file, as: try key(number % 16), bytes: 1) }
        }
        try await group.waitForAll()
      }
      #expect(try await Set(store.keys(unchangedSince: endOfTime)) == Set(try (0..<16).map { try key($0) }))
      for number in 0..<16 { #expect(try await store.contents(of: try key(number)) == [UInt8(number)]) }
    }
  }

  @Test(arguments: StoreKind.allCases, [Int64(999), 1001, 0, -1, .max])
  func `a file of another length than was counted is refused, and nothing is visible`(
    kind: StoreKind, bytes: Int64
  ) async throws {
    try await kind.withStore { store, folder in
      let file = try folder.file(sound)
      #expect(await failure { try await store.store(file, as: anyKey, bytes: bytes) } == .storageFailed)
      #expect(try await store.keys(unchangedSince: endOfTime).isEmpty)
      #expect(await failure { try await store.open(anyKey) } == .objectMissing)
    }
  }

  @Test(arguments: StoreKind.allCases)
  func `a refused file leaves the object of an earlier one as it was`(kind: StoreKind) async throws {
    try await kind.withStore { store, folder in
      try await store.store(try folder.file(sound), as: anyKey, bytes: 1000)
      let half = try folder.file(Array(sound[..<500]))
      #expect(await failure { try await store.store(half, as: anyKey, bytes: 1000) } == .storageFailed)
      #expect(try await store.contents(of: anyKey) == sound)
    }
  }

  @Test(arguments: StoreKind.allCases)
  func `a file that is not there cannot be stored, which is no missing object`(kind: StoreKind) async throws {
    try await kind.withStore { store, folder in
      let file = folder.path.appending("nothing")
      #expect(await failure { try await store.store(file, as: anyKey, bytes: 0) } == .storageFailed)
      let keys = try await store.keys(unchangedSince: endOfTime)
      #expect(keys.isEmpty)
    }
  }

  @Test(arguments: StoreKind.allCases)
  func `what was never stored is missing, and may be removed`(kind: StoreKind) async throws {
    try await kind.withStore { store, _ in
      #expect(await failure { try await store.open(anyKey) } == .objectMissing)
      try await store.remove(anyKey)
    }
  }

  @Test(arguments: StoreKind.allCases)
  func `an object that is removed stays readable for whoever has it open`(kind: StoreKind) async throws {
    try await kind.withStore { store, folder in
      try await store.store(try folder.file(sound), as: anyKey, bytes: 1000)
      let object = try await store.open(anyKey)
      try await store.remove(anyKey)
      #expect(try await object.contents() == sound)
      #expect(await failure { try await store.open(anyKey) } == .objectMissing)
      #expect(try await store.keys(unchangedSince: endOfTime).isEmpty)
    }
  }

  @Test(arguments: StoreKind.allCases)
  func `kinds of the same hash are different objects`(kind: StoreKind) async throws {
    try await kind.withStore { store, folder in
      for (index, kind) in ObjectKey.Kind.allCases.enumerated() {
        try await store.store(try folder.file([UInt8(index)]), as: try key(1, kind), bytes: 1)
      }
      for (index, kind) in ObjectKey.Kind.allCases.enumerated() {
        #expect(try await store.contents(of: try key(1, kind)) == [UInt8(index)])
      }
    }
  }

  @Test(arguments: StoreKind.allCases)
  func `young objects are left out of the list of old ones`(kind: StoreKind) async throws {
    try await kind.withStore { store, folder in
      let before = Instant.systemNow() + .seconds(-60)
      try await store.store(try folder.file([1]), as: anyKey, bytes: 1)
      #expect(try await store.keys(unchangedSince: before).isEmpty)
      #expect(try await store.keys(unchangedSince: .systemNow() + .seconds(60)) == [anyKey])
    }
  }

  @Test(arguments: StoreKind.allCases)
  func `an object lies where other systems can find it`(kind: StoreKind) async throws {
    try await kind.withStore { store, _ in
      let location = store.location(of: anyKey)
      #expect(location.hasPrefix("/") || location.hasPrefix("s3://"))
      #expect(location.hasSuffix(anyKey.description))
    }
  }
}
