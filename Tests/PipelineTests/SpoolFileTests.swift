import Catalog
import Foundation
import Glibc
import Model
import NIOCore
import NIOPosix
import ObjectStorage
import Pipeline
import SystemPackage
import Testing

/// Files that grow while they are read.
@Suite(.timeLimit(.minutes(5)))
struct SpoolFileTests {
  private static func bytes(_ count: Int, seed: UInt8 = 1) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) ^ seed }
  }

  private func withSpool(_ body: @Sendable (Spool) async throws -> Void) async throws {
    let folder = FilePath(NSTemporaryDirectory()).appending("tapedeck-spool-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(atPath: folder.string) }
    try await body(
      try Spool(folder: folder.appending("spool"), quarantine: folder.appending("quarantine"), threads: .singleton))
  }

  private func read(_ follower: SpoolFile.Follower) async throws -> [UInt8] {
    var all: [UInt8] = []
    for try await piece in follower { all += piece }
    return all
  }

  /// The file names without the spool's own ID.
  private func names(in spool: Spool) throws -> [String] {
    try FileSystemCalls.names(in: spool.folder).filter { $0 != ".id" }.sorted()
  }

  private func contents(_ file: SpoolFile) throws -> [UInt8] {
    Array(try Data(contentsOf: URL(filePath: file.path.string)))
  }

  @Test func `a follower gets every byte, however the file grows`() async throws {
    try await withSpool { spool in
      let file = try await spool.open(JobLease(jobID: 1, fence: 1), part: 0) { $0 }
      let all = Self.bytes(1_000_003)
      async let early = read(file.follow())
      var offset = 0
      for size in [1, 10, 300_000, 7, 262_144, 437_841] {
        try await file.append(ByteBuffer(bytes: all[offset..<offset + size]))
        offset += size
        if offset == 300_018 { #expect(file.length == 300_018) }
      }
      #expect(offset == all.count)
      async let late = read(file.follow())
      file.complete()
      #expect(try await early == all)
      #expect(try await late == all)
      #expect(!file.isStarving)
      #expect(try await file.sha256().rawValue == sha256(all))
    }
  }

  @Test func `a follower waits at the current end of the file`() async throws {
    try await withSpool { spool in
      let file = try await spool.open(JobLease(jobID: 1, fence: 1), part: 0) { $0 }
      var follower = file.follow()
      try await file.append(ByteBuffer(bytes: [1, 2, 3]))
      #expect(!file.isStarving)
      #expect(try await follower.next() == [1, 2, 3])
      #expect(file.isStarving)
      try await file.append(ByteBuffer(bytes: [4]))
      #expect(!file.isStarving)
      #expect(try await follower.next() == [4])
      file.complete()
      #expect(try await follower.next() == nil)
    }
  }

  @Test(arguments: [0, 5])
  func `a truncation ends the followers of the old bytes`(length: Int64) async throws {
    try await withSpool { spool in
      // Repeated, because a read may come before, during or after the truncation.
      for number in 1...100 {
        let file = try await spool.open(JobLease(jobID: Int64(number), fence: 1), part: 0) { $0 }
        try await file.append(ByteBuffer(bytes: Self.bytes(100)))
        let old = file.follow()
        let waiting = Task { try await file.prefix(1000) }
        async let reading: [UInt8] = read(old)
        try await file.cut(to: length)
        let added = Self.bytes(50, seed: 9)
        try await file.append(ByteBuffer(bytes: added))
        file.complete()
        do {
          _ = try await reading
          Issue.record("the old follower came to an end")
        } catch let error as TapedeckError { #expect(error.code == .interrupted) }
        // It may have begun to wait before or after the truncation.
        let prefix = try? await waiting.value
        let now = Self.bytes(100).prefix(Int(length)) + added
        #expect(prefix == nil || prefix == Array(now))
        #expect(try contents(file) == Array(now))
        #expect(try await read(file.follow()) == Array(now))
        #expect(try await file.sha256().rawValue == sha256(Array(now)))
      }
    }
  }

  @Test func `a truncation beyond the end does nothing`() async throws {
    try await withSpool { spool in
      let file = try await spool.open(JobLease(jobID: 1, fence: 1), part: 0) { $0 }
      try await file.append(ByteBuffer(bytes: [1, 2, 3]))
      var follower = file.follow()
      try await file.cut(to: 3)
      try await file.cut(to: 500)
      #expect(file.length == 3)
      #expect(try await follower.next() == [1, 2, 3])
    }
  }

  @Test func `abandoned followers end, and those of a complete file do not`() async throws {
    try await withSpool { spool in
      let file = try await spool.open(JobLease(jobID: 1, fence: 1), part: 0) { $0 }
      try await file.append(ByteBuffer(bytes: [1]))
      let reading = Task { try await read(file.follow()) }
      file.abandonFollowers()
      await #expect(throws: TapedeckError.self) { try await reading.value }
      file.complete()
      #expect(try await read(file.follow()) == [1])
    }
  }

  @Test func `a cancelled follower stops`() async throws {
    try await withSpool { spool in
      let file = try await spool.open(JobLease(jobID: 1, fence: 1), part: 0) { $0 }
      let reading = Task { try await read(file.follow()) }
      let heading = Task { try await file.prefix(10) }
      reading.cancel()
      heading.cancel()
      await #expect(throws: (any Error).self) { try await reading.value }
      await #expect(throws: (any Error).self) { try await heading.value }
    }
  }

  @Test func `the first bytes are available as soon as they have come, or the file is over`() async throws {
    try await withSpool { spool in
      let file = try await spool.open(JobLease(jobID: 1, fence: 1), part: 0) { $0 }
      async let four = file.prefix(4)
      try await file.append(ByteBuffer(bytes: [1, 2]))
      try await file.append(ByteBuffer(bytes: [3, 4, 5]))
      #expect(try await four == [1, 2, 3, 4])
      async let hundred = file.prefix(100)
      file.complete()
      #expect(try await hundred == [1, 2, 3, 4, 5])
    }
  }

  @Test func `a later claim takes over the spool file and resumes the download`() async throws {
    try await withSpool { spool in
      let all = Self.bytes(5000)
      try await { () async throws in
        let file = try await spool.open(JobLease(jobID: 7, fence: 3), part: 0) { $0 }
        try await file.append(ByteBuffer(bytes: all[..<3000]))
      }()
      let file = try await spool.open(JobLease(jobID: 7, fence: 12), part: 0) { _ in .max }
      #expect(file.length == 3000)
      #expect(file.syncedLength == 0, "what another claim wrote may never have reached the disk")
      try await file.append(ByteBuffer(bytes: all[3000...]))
      file.complete()
      #expect(try await read(file.follow()) == all)
      #expect(try await file.sha256().rawValue == sha256(all))
      #expect(try names(in: spool) == ["7-00000012-0.part"])
      try await file.sync()
      #expect(file.syncedLength == 5000)
    }
  }

  @Test func `bytes of a spool file that cannot be trusted are cut off`() async throws {
    try await withSpool { spool in
      try await { () async throws in
        let file = try await spool.open(JobLease(jobID: 7, fence: 1), part: 0) { $0 }
        try await file.append(ByteBuffer(bytes: Self.bytes(3000)))
      }()
      let file = try await spool.open(JobLease(jobID: 7, fence: 2), part: 0) { _ in 1024 }
      #expect(file.length == 1024)
      #expect(try contents(file) == Array(Self.bytes(3000)[..<1024]))
    }
  }

  @Test func `a spool file that is held is not taken over`() async throws {
    try await withSpool { spool in
      let file = try await spool.open(JobLease(jobID: 7, fence: 1), part: 0) { $0 }
      do {
        _ = try await spool.open(JobLease(jobID: 7, fence: 2), part: 0) { $0 }
        Issue.record("two claims hold one spool file")
      } catch let error as TapedeckError { #expect(error.code == .leaseLost) }
      try await file.append(ByteBuffer(bytes: [1]))
      #expect(try contents(file) == [1])
      // The spool file of another job is not affected.
      #expect(try await spool.open(JobLease(jobID: 77, fence: 2), part: 0) { $0 }.length == 0)
    }
  }

  @Test(arguments: ["pipe", "link"])
  func `something else in the place of a spool file is an error and not a wait`(kind: String) async throws {
    try await withSpool { spool in
      let path = spool.file(of: JobLease(jobID: 1, fence: 1), part: 0, "part").string
      if kind == "pipe" {
        #expect(mkfifo(path, 0o600) == 0)
      } else {
        try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: "/etc/passwd")
      }
      let error = await #expect(throws: TapedeckError.self) {
        _ = try await spool.open(JobLease(jobID: 1, fence: 2), part: 0) { $0 }
      }
      #expect(error?.code == .storageFailed && error?.message.contains("a link or a pipe") == true)
    }
  }

  @Test func `clearing keeps the spool files of other jobs and later claims`() async throws {
    try await withSpool { spool in
      for (job, fence) in [(1, 1), (1, 2), (1, 3), (11, 1)] as [(Int64, Int64)] {
        _ = try await spool.open(JobLease(jobID: job, fence: fence), part: 0) { $0 }
        try Data().write(to: URL(filePath: spool.file(of: JobLease(jobID: job, fence: fence), part: 0, "mp3").string))
      }
      try await spool.clear(JobLease(jobID: 1, fence: 2))
      #expect(
        try names(in: spool) == [
          "1-00000003-0.mp3", "1-00000003-0.part", "11-00000001-0.mp3", "11-00000001-0.part",
        ])
    }
  }

  @Test func `only spool files of unfinished jobs are kept at the start`() async throws {
    try await withSpool { spool in
      for name in [
        "1-00000001-0.part", "1-00000001-0.mp3", "2-00000009-0.part", "orphan", "-", "99999999999999999999-1.part",
      ] {
        try Data([1]).write(to: URL(filePath: spool.folder.appending(name).string))
      }
      #expect(try await spool.removeOrphans(keeping: [1]) == 5)
      #expect(try names(in: spool) == ["1-00000001-0.part"])
    }
  }

  @Test func `a spool keeps its id over starts and cleanup, and another one has another`() async throws {
    try await withSpool { spool in
      #expect(try await spool.removeOrphans(keeping: []) == 0)
      let again = try Spool(folder: spool.folder, quarantine: spool.quarantine, threads: .singleton)
      #expect(again.id == spool.id)
      // The file of a writer that crashed at once is not an ID.
      try Data().write(to: URL(filePath: spool.folder.appending(".id").string))
      let new = try Spool(folder: spool.folder, quarantine: spool.quarantine, threads: .singleton)
      #expect(!new.id.isEmpty && new.id != spool.id)
      let other = spool.folder.removingLastComponent().appending("other")
      #expect(try Spool(folder: other, quarantine: spool.quarantine, threads: .singleton).id != new.id)
    }
  }
}
