import CXone
import Catalog
import Foundation
import Model
import NIOCore
import ObjectStorage
import Pipeline
import Sandbox
import Synchronization
import TestKit
import Testing

/// The archive checks itself, in time and gently.
@Suite(.timeLimit(.minutes(5)))
struct ScrubTests {
  static let ids = ["codec-pcm-mono", "codec-gsm", "codec-alaw-mono", "codec-ulaw-mono"]
  static let hour = Duration.seconds(3600)
  static let day = Duration.seconds(86_400)
  /// Without a limit, since nobody moves the clock while it rests.
  static let settings = ScrubSettings(days: 30, bytesPerSecond: 0)

  private func run(_ body: @Sendable (PipelineFixture, TestClock) async throws -> Void) async throws {
    // The rest between two folders takes as long as a folder took.
    let clock = TestClock(now: .systemNow(), shortSleep: .milliseconds(500))
    try await PipelineFixture.run(PipelineFixture.Options(clock: clock)) { fixture in
      for id in Self.ids {
        try await fixture.archive(id)
        // So that each has a time of its own.
        clock.advance(by: .seconds(60))
      }
      try await body(fixture, clock)
    }
  }

  private func verified(_ fixture: PipelineFixture) async throws -> [String] {
    var ids: [String] = []
    for id in Self.ids where try await fixture.row(id).verifiedAt != nil { ids.append(id) }
    return ids
  }

  /// A statement that throws on its own, so that closures around it do.
  private func expectTaken(_ count: Int, _ taken: Int, sourceLocation: SourceLocation = #_sourceLocation) {
    #expect(taken == count, sourceLocation: sourceLocation)
  }

  @Test func `what was written or verified lately is left alone`() async throws {
    try await run { fixture, clock in
      clock.advance(by: .seconds(14 * 86_400))
      expectTaken(0, try await fixture.verifier.scrub(within: Self.hour, Self.settings))
      clock.advance(by: .seconds(86_400))
      expectTaken(1, try await fixture.verifier.scrub(within: Self.hour, Self.settings))
    }
  }

  @Test func `each run takes its share, the longest unverified first`() async throws {
    try await run { fixture, clock in
      clock.advance(by: .seconds(16 * 86_400))
      for number in 1...4 {
        expectTaken(1, try await fixture.verifier.scrub(within: Self.hour, Self.settings))
        #expect(try await verified(fixture) == Array(Self.ids.prefix(number)))
        clock.advance(by: Self.hour)
      }
      expectTaken(0, try await fixture.verifier.scrub(within: Self.hour, Self.settings))
      // A run for four days takes what four days of hourly runs would.
      clock.advance(by: .seconds(15 * 86_400))
      expectTaken(2, try await fixture.verifier.scrub(within: Self.day * 4, Self.settings))
    }
  }

  @Test func `what is overdue is taken at once, with damage in its way`() async throws {
    try await run { fixture, clock in
      clock.advance(by: .seconds(31 * 86_400))
      try DiskFault.zeroed.strike(try await fixture.object(.mp3, of: Self.ids[1]), of: fixture)
      expectTaken(4, try await fixture.verifier.scrub(within: Self.hour, Self.settings))
      #expect(try await fixture.row(Self.ids[1]).damage != nil)
      #expect(try await fixture.repaired(Self.ids[1]).runState == .done)
      #expect(try await verified(fixture) == Self.ids)
      expectTaken(0, try await fixture.verifier.scrub(within: Self.hour, Self.settings))
    }
  }

  @Test func `it comes round within the period, hour by hour`() async throws {
    try await run { fixture, clock in
      let settings = ScrubSettings(days: 2, bytesPerSecond: 0)
      for _ in 0..<48 {
        clock.advance(by: Self.hour)
        try await fixture.verifier.scrub(within: Self.hour, settings)
      }
      #expect(try await verified(fixture) == Self.ids)
    }
  }

  @Test func `it reads no faster than it may`() async throws {
    try await run { fixture, clock in
      clock.advance(by: .seconds(31 * 86_400))
      let bytes = try await fixture.part(Self.ids[0])
      let total = bytes.sourceBytes + bytes.mp3.bytes + bytes.peaks.bytes
      let looked = Counter()
      let scrub = Task {
        // So slow that the first recording takes a thousand seconds.
        try await fixture.verifier.scrub(
          within: Self.hour, ScrubSettings(days: 30, bytesPerSecond: total / 1000)
        ) { _ in looked.count() }
      }
      try await clock.untilSleeping(1)
      clock.advance(by: .seconds(800))
      try await clock.untilSleeping(1)
      #expect(looked.value == 1)
      clock.advance(by: .seconds(400))
      try await clock.untilSleeping(1)
      #expect(looked.value == 2)
      scrub.cancel()
      await #expect(throws: TapedeckError.self) { try await scrub.value }
    }
  }

  @Test func `it ends by the time when the next run begins`() async throws {
    try await run { fixture, clock in
      clock.advance(by: .seconds(31 * 86_400))
      var store = InterposedStore(fixture.store)
      store.beforeHash = { _ throws(TapedeckError) in clock.advance(by: .seconds(700)) }
      expectTaken(2, try await fixture.verifier(on: store).scrub(within: Self.hour, Self.settings))
    }
  }

  @Test func `it can be switched off`() async throws {
    try await run { fixture, clock in
      clock.advance(by: .seconds(300 * 86_400))
      expectTaken(0, try await fixture.verifier.scrub(within: Self.hour, ScrubSettings(days: 0)))
    }
  }

  @Test func `a store that is away ends the run, and nothing is queued`() async throws {
    try await run { fixture, clock in
      clock.advance(by: .seconds(31 * 86_400))
      var store = InterposedStore(fixture.store)
      store.beforeHash = { _ throws(TapedeckError) in throw TapedeckError(.storageFailed) }
      let verifier = fixture.verifier(on: store)
      await #expect(throws: TapedeckError.self) { try await verifier.scrub(within: Self.hour, Self.settings) }
      let marked = try await fixture.count("FROM recording WHERE damage IS NOT NULL OR verified_at IS NOT NULL")
      let queued = try await fixture.count("FROM job WHERE run_state <> 'done'")
      #expect(marked == 0 && queued == 0)
    }
  }

  @Test func `what cannot be read holds nobody up, is told, and is tried again when the rest is done`() async throws {
    try await run { fixture, clock in
      clock.advance(by: .seconds(31 * 86_400))
      let bad = try await fixture.files(of: Self.ids.prefix(3))
      let isBroken = Mutex(true)
      var store = InterposedStore(fixture.store)
      store.beforeHash = { key throws(TapedeckError) in
        if isBroken.withLock({ $0 }), bad.contains(key.description) { throw TapedeckError(.storageFailed) }
      }
      let verifier = fixture.verifier(on: store)
      let order = Mutex<[String]>([])
      @Sendable func scrub() async throws -> [String] {
        order.withLock { $0 = [] }
        try await verifier.scrub(within: Self.hour, Self.settings) { key in
          order.withLock { $0.append(key.id.rawValue) }
        }
        return order.withLock { $0 }
      }
      #expect(try await scrub() == Self.ids)
      #expect(try await verified(fixture) == [Self.ids[3]])
      #expect(try await fixture.count("FROM recording WHERE damage IS NOT NULL") == 0)
      clock.advance(by: .seconds(31 * 86_400))
      #expect(try await scrub() == [Self.ids[3]] + Self.ids.prefix(3))
      isBroken.withLock { $0 = false }
      #expect(try await Set(scrub()) == Set(Self.ids.prefix(3)))
      #expect(try await verified(fixture) == Self.ids)
      #expect(try await scrub().isEmpty)
    }
  }

  @Test func `what was found whole before the store went away is noted`() async throws {
    try await run { fixture, clock in
      clock.advance(by: .seconds(31 * 86_400))
      let good = try await fixture.files(of: [Self.ids[0]])
      let isAway = Mutex(false)
      var store = InterposedStore(fixture.store)
      store.beforeHash = { key throws(TapedeckError) in
        if !good.contains(key.description) { isAway.withLock { $0 = true } }
        if isAway.withLock({ $0 }) { throw TapedeckError(.storageFailed) }
      }
      let verifier = fixture.verifier(on: store)
      await #expect(throws: TapedeckError.self) { try await verifier.scrub(within: Self.hour, Self.settings) }
      #expect(try await verified(fixture) == [Self.ids[0]])
    }
  }

  // MARK: The service

  @Test func `a store that gives no bytes does not have all of its names compared again and again`() async throws {
    try await run { fixture, clock in
      clock.advance(by: .seconds(31 * 86_400))
      let comparisons = Counter()
      var store = InterposedStore(fixture.store)
      store.beforeHash = { _ throws(TapedeckError) in throw TapedeckError(.storageFailed) }
      store.beforeListing = { folder throws(TapedeckError) in
        if folder == ObjectFolder.all.last { comparisons.count() }
      }
      try await fixture.with(Scrubber(verifier: fixture.verifier(on: store), settings: Self.settings)) {
        for failures in 1...3 {
          try await until {
            clock.advance(by: failures == 1 ? .milliseconds(100) : .seconds(100))
            return try await fixture.catalog.duty(.verification).map { $0.failures >= failures } ?? false
          }
        }
      }
      #expect(comparisons.value == 1)
    }
  }

  @Test func `at its start it puts names together and damage right, and after an hour it reads`() async throws {
    try await run { fixture, clock in
      try DiskFault.missing.strike(try await fixture.object(.mp3, of: Self.ids[0]), of: fixture)
      let scrubber = Scrubber(verifier: fixture.verifier, settings: Self.settings)
      try await fixture.with(scrubber) {
        try await until {
          // A folder may have taken longer.
          clock.advance(by: .milliseconds(100))
          return try await fixture.catalog.job(of: try fixture.key(Self.ids[0]))?.runState == .idle
        }
        try await fixture.withWorker { _ = try await fixture.ended(Self.ids[0]) }
        #expect(try await fixture.row(Self.ids[1]).verifiedAt == nil)
        try await until {
          clock.advance(by: Self.hour)
          return try await fixture.row(Self.ids[1]).verifiedAt != nil
        }
      }
      try await fixture.expectWhole()
    }
  }

  @Test func `of two nodes one does it, and the other when that one is gone`() async throws {
    try await run { fixture, clock in
      try await fixture.catalog.ensureDuties([.verification])
      _ = try #require(try await fixture.catalog.claimDuty(.verification, lease: .seconds(90), early: true))
      try DiskFault.missing.strike(try await fixture.object(.mp3, of: Self.ids[0]), of: fixture)
      let scrubber = Scrubber(verifier: fixture.verifier, settings: Self.settings)
      try await fixture.with(scrubber) {
        // It has looked whose turn it is, and sleeps until that changes.
        try await clock.untilSleeping(1)
        #expect(try await fixture.row(Self.ids[0]).damage == nil)
        try await until {
          clock.advance(by: .seconds(10))
          return try await fixture.row(Self.ids[0]).damage != nil
        }
      }
    }
  }

  // MARK: Privacy

  @Test func `the scrub asks the platform who may hear what, and stricter applies at once`() async throws {
    let privacy = Mutex(Privacy.standard)
    let asked = Counter()
    let bytes = RepairTests.wav(1)
    var source = HandSource { sink, _ in
      try await sink.append(ByteBuffer(bytes: bytes))
      return DownloadState(totalBytes: Int64(bytes.count))
    }
    source.facts = { id in
      asked.count()
      return PlatformRecording(id: id, status: .available, privacy: privacy.withLock { $0 })
    }
    let clock = TestClock(now: .systemNow())
    try await PipelineFixture.run(PipelineFixture.Options(clock: clock, source: source)) { [source] fixture in
      try await fixture.archive("call")
      let before = asked.value
      let review = PrivacyReview(catalog: fixture.catalog, sources: [source], surroundings: fixture.surroundings)
      privacy.withLock { $0 = .restricted }
      clock.advance(by: .seconds(31 * 86_400))
      try await fixture.verifier.scrub(within: Self.hour, Self.settings) { await review.review($0) }
      #expect(asked.value == before + 1)
      #expect(try await fixture.row("call").facts.privacy == .restricted)
      #expect(try await fixture.log(.privacyChange).count == 1)
      // Laxer needs a person.
      privacy.withLock { $0 = .standard }
      await review.review(try fixture.key("call"))
      #expect(try await fixture.row("call").facts.privacy == .restricted)
    }
  }

  @Test func `a platform that does not answer is left alone for an hour, one that forgot a call is not`() async throws {
    let asked = Counter()
    let failure = Mutex(TapedeckError.Code.unknownRecording)
    var source = HandSource { _, _ in DownloadState() }
    source.facts = { _ throws(TapedeckError) in
      asked.count()
      throw TapedeckError(failure.withLock { $0 })
    }
    let clock = TestClock()
    try await PipelineFixture.run(PipelineFixture.Options(clock: clock, source: source)) { [source] fixture in
      let review = PrivacyReview(catalog: fixture.catalog, sources: [source], surroundings: fixture.surroundings)
      let key = try fixture.key("call")
      for _ in 1...2 { await review.review(key) }
      #expect(asked.value == 2)
      failure.withLock { $0 = .platformRateLimited }
      for _ in 1...3 { await review.review(key) }
      #expect(asked.value == 3)
      clock.advance(by: Self.hour)
      await review.review(key)
      #expect(asked.value == 4)
    }
  }
}
