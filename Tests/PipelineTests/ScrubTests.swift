import CXone
import Catalog
import Foundation
import Logging
import Model
import NIOCore
import ObjectStorage
import Pipeline
import Sandbox
import Synchronization
import TestKit
import Testing

/// The scheduled verification of the archive, and its rate limit.
@Suite(.timeLimit(.minutes(5)))
struct ScrubTests {
  static let ids = ["codec-pcm-mono", "codec-gsm", "codec-alaw-mono", "codec-ulaw-mono"]
  static let hour = Duration.seconds(3600)
  static let day = Duration.seconds(86_400)
  /// No rate limit, because the clock does not advance while the scrub sleeps.
  static let settings = ScrubSettings(days: 30, bytesPerSecond: 0)

  private func run(_ body: @Sendable (PipelineFixture, TestClock) async throws -> Void) async throws {
    // The pause between two folders lasts as long as the folder took.
    let clock = TestClock(now: .systemNow(), shortSleep: .milliseconds(500))
    try await PipelineFixture.run(PipelineFixture.Options(clock: clock)) { fixture in
      for id in Self.ids {
        try await fixture.archive(id)
        // Each recording gets a time of its own.
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

  /// A statement that throws by itself, so that the closures around it are inferred as throwing.
  private func expectTaken(_ count: Int, _ taken: Int, sourceLocation: SourceLocation = #_sourceLocation) {
    #expect(taken == count, sourceLocation: sourceLocation)
  }

  @Test func `recently written or verified recordings are skipped`() async throws {
    try await run { fixture, clock in
      clock.advance(by: .seconds(14 * 86_400))
      expectTaken(0, try await fixture.verifier.scrub(within: Self.hour, Self.settings))
      clock.advance(by: .seconds(86_400))
      expectTaken(1, try await fixture.verifier.scrub(within: Self.hour, Self.settings))
    }
  }

  @Test func `each run verifies its share, the longest unverified first`() async throws {
    try await run { fixture, clock in
      clock.advance(by: .seconds(16 * 86_400))
      for number in 1...4 {
        expectTaken(1, try await fixture.verifier.scrub(within: Self.hour, Self.settings))
        #expect(try await verified(fixture) == Array(Self.ids.prefix(number)))
        clock.advance(by: Self.hour)
      }
      expectTaken(0, try await fixture.verifier.scrub(within: Self.hour, Self.settings))
      // A run that covers four days takes as many as four days of hourly runs.
      clock.advance(by: .seconds(15 * 86_400))
      expectTaken(2, try await fixture.verifier.scrub(within: Self.day * 4, Self.settings))
    }
  }

  @Test func `overdue recordings are verified at once, even when others are damaged`() async throws {
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

  @Test func `hourly runs cover the archive within the period`() async throws {
    try await run { fixture, clock in
      let settings = ScrubSettings(days: 2, bytesPerSecond: 0)
      for _ in 0..<48 {
        clock.advance(by: Self.hour)
        try await fixture.verifier.scrub(within: Self.hour, settings)
      }
      #expect(try await verified(fixture) == Self.ids)
    }
  }

  @Test func `the scrub keeps to its rate limit`() async throws {
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

  @Test func `a run ends when the next one is due`() async throws {
    try await run { fixture, clock in
      clock.advance(by: .seconds(31 * 86_400))
      var store = InterposedStore(fixture.store)
      store.beforeRead = { _ throws(TapedeckError) in clock.advance(by: .seconds(700)) }
      expectTaken(2, try await fixture.verifier(on: store).scrub(within: Self.hour, Self.settings))
    }
  }

  @Test func `the scrub can be disabled`() async throws {
    try await run { fixture, clock in
      clock.advance(by: .seconds(300 * 86_400))
      expectTaken(0, try await fixture.verifier.scrub(within: Self.hour, ScrubSettings(days: 0)))
    }
  }

  @Test func `an unavailable store ends the run, and no repair is queued`() async throws {
    try await run { fixture, clock in
      clock.advance(by: .seconds(31 * 86_400))
      var store = InterposedStore(fixture.store)
      store.beforeRead = { _ throws(TapedeckError) in throw TapedeckError(.storageFailed) }
      let verifier = fixture.verifier(on: store)
      await #expect(throws: TapedeckError.self) { try await verifier.scrub(within: Self.hour, Self.settings) }
      let marked = try await fixture.count("FROM recording WHERE damage IS NOT NULL OR verified_at IS NOT NULL")
      let queued = try await fixture.count("FROM job WHERE run_state <> 'done'")
      #expect(marked == 0 && queued == 0)
    }
  }

  @Test func `an unreadable file delays no other, is logged, and is retried after the others`() async throws {
    try await run { fixture, clock in
      clock.advance(by: .seconds(31 * 86_400))
      let bad = try await fixture.files(of: Self.ids.prefix(3))
      let isBroken = Mutex(true)
      var store = InterposedStore(fixture.store)
      store.beforeRead = { name throws(TapedeckError) in
        if isBroken.withLock({ $0 }), bad.contains(name) { throw TapedeckError(.storageFailed) }
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

  @Test func `recordings verified before the store became unavailable keep their result`() async throws {
    try await run { fixture, clock in
      clock.advance(by: .seconds(31 * 86_400))
      let good = try await fixture.files(of: [Self.ids[0]])
      let isAway = Mutex(false)
      var store = InterposedStore(fixture.store)
      store.beforeRead = { name throws(TapedeckError) in
        if !good.contains(name) { isAway.withLock { $0 = true } }
        if isAway.withLock({ $0 }) { throw TapedeckError(.storageFailed) }
      }
      let verifier = fixture.verifier(on: store)
      await #expect(throws: TapedeckError.self) { try await verifier.scrub(within: Self.hour, Self.settings) }
      #expect(try await verified(fixture) == [Self.ids[0]])
    }
  }

  // MARK: The service

  @Test func `an unreadable store does not cause repeated reconciliations`() async throws {
    try await run { fixture, clock in
      clock.advance(by: .seconds(31 * 86_400))
      let comparisons = Counter()
      var store = InterposedStore(fixture.store)
      store.beforeRead = { _ throws(TapedeckError) in throw TapedeckError(.storageFailed) }
      store.beforeListing = { folder throws(TapedeckError) in
        if folder == ObjectFolder.all.last { comparisons.count() }
      }
      try await fixture.with(Scrubber(verifier: fixture.verifier(on: store), settings: Self.settings)) {
        for failures in 1...3 {
          try await until {
            clock.advance(by: failures == 1 ? .milliseconds(100) : .seconds(100))
            return try await fixture.catalog.recurringTask(.verification).map { $0.failures >= failures } ?? false
          }
        }
      }
      #expect(comparisons.value == 1)
    }
  }

  @Test func `the service reconciles and repairs at its start, and scrubs an hour later`() async throws {
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

  @Test func `one of two nodes runs the scrub, and the other takes over when it stops`() async throws {
    try await run { fixture, clock in
      try await fixture.catalog.ensureTasks([.verification])
      _ = try #require(try await fixture.catalog.claimTask(.verification, lease: .seconds(90), early: true))
      try DiskFault.missing.strike(try await fixture.object(.mp3, of: Self.ids[0]), of: fixture)
      let scrubber = Scrubber(verifier: fixture.verifier, settings: Self.settings)
      try await fixture.with(scrubber) {
        // It has checked the task lease and sleeps until that changes.
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

  @Test func `the scrub refreshes privacy, and a stricter one applies at once`() async throws {
    let privacy = Mutex(Privacy.standard)
    let asked = Counter()
    let bytes = RepairTests.wav(1)
    var source = HandSource(bytes: bytes)
    source.facts = { id in
      asked.count()
      return PlatformRecording(id: id, status: .available, privacy: privacy.withLock { $0 })
    }
    let clock = TestClock(now: .systemNow())
    try await PipelineFixture.run(PipelineFixture.Options(clock: clock, source: source)) { [source] fixture in
      try await fixture.archive("call")
      let before = asked.value
      let review = PrivacyReview(
        catalog: fixture.catalog, sources: [source], system: fixture.system, logger: Logger(label: "test"))
      privacy.withLock { $0 = .restricted }
      clock.advance(by: .seconds(31 * 86_400))
      try await fixture.verifier.scrub(within: Self.hour, Self.settings) { await review.review($0) }
      #expect(asked.value == before + 1)
      #expect(try await fixture.row("call").facts.privacy == .restricted)
      #expect(try await fixture.log(.privacyChange).count == 1)
      // An earlier review counts for a while, where it may.
      let count = asked.value
      await review.review(try fixture.key("call"), atMostEvery: .seconds(60))
      #expect(asked.value == count)
      clock.advance(by: .seconds(60))
      await review.review(try fixture.key("call"), atMostEvery: .seconds(60))
      #expect(asked.value == count + 1)
      // Also after the clock was set back.
      clock.jump(by: .seconds(-3600))
      await review.review(try fixture.key("call"), atMostEvery: .seconds(60))
      #expect(asked.value == count + 2)
      // A less strict privacy has to be set by a user.
      privacy.withLock { $0 = .standard }
      await review.review(try fixture.key("call"))
      #expect(try await fixture.row("call").facts.privacy == .restricted)
    }
  }

  @Test func `a platform that does not answer is skipped for an hour, one that deleted a call is not`() async throws {
    let asked = Counter()
    let failure = Mutex(TapedeckError.Code.unknownRecording)
    var source = HandSource { _, _ in DownloadState() }
    source.facts = { _ throws(TapedeckError) in
      asked.count()
      throw TapedeckError(failure.withLock { $0 })
    }
    let clock = TestClock()
    try await PipelineFixture.run(PipelineFixture.Options(clock: clock, source: source)) { [source] fixture in
      let review = PrivacyReview(
        catalog: fixture.catalog, sources: [source], system: fixture.system, logger: Logger(label: "test"))
      let key = try fixture.key("call")
      for _ in 1...2 { await review.review(key) }
      #expect(asked.value == 2)
      // An answer about the recording counts as a review.
      await review.review(key, atMostEvery: .seconds(60))
      #expect(asked.value == 2)
      failure.withLock { $0 = .platformRateLimited }
      for _ in 1...3 { await review.review(key) }
      #expect(asked.value == 3)
      clock.advance(by: Self.hour)
      await review.review(key)
      #expect(asked.value == 4)
      // An answer that cannot be read, or a request that ended early, says nothing about other recordings.
      for code in [TapedeckError.Code.platformProtocol, .interrupted] {
        clock.advance(by: Self.hour)
        failure.withLock { $0 = code }
        let count = asked.value
        for id in ["one", "two"] { await review.review(try fixture.key(id)) }
        #expect(asked.value == count + 2, "\(code)")
      }
    }
  }

  @Test func `a review is joined by later requests, and continues when one that waits for it is cancelled`()
    async throws
  {
    let isArchived = Mutex(false)
    let asked = Counter()
    let answer = Gate()
    let bytes = RepairTests.wav(1)
    var source = HandSource(bytes: bytes)
    source.facts = { id in
      guard isArchived.withLock({ $0 }) else {
        return PlatformRecording(id: id, status: .available, privacy: .standard)
      }
      asked.count()
      try? await answer.wait()
      return PlatformRecording(id: id, status: .available, privacy: .restricted)
    }
    try await PipelineFixture.run(PipelineFixture.Options(source: source)) { [source] fixture in
      try await fixture.archive("call")
      isArchived.withLock { $0 = true }
      let review = PrivacyReview(
        catalog: fixture.catalog, sources: [source], system: fixture.system, logger: Logger(label: "test"))
      let key = try fixture.key("call")
      let first = Task { await review.review(key, atMostEvery: .seconds(60)) }
      try await until { asked.value == 1 }
      first.cancel()
      await first.value
      let second = Task { await review.review(key, atMostEvery: .seconds(60)) }
      answer.open()
      await second.value
      #expect(asked.value == 1)
      #expect(try await fixture.row("call").facts.privacy == .restricted)
    }
  }
}
