import CXone
import Catalog
import Model
import NIOCore
import Pipeline
import Synchronization
import Testing

/// Whatever a platform answers, the archive holds the true file, or nothing and the job states the reason.
@Suite(.timeLimit(.minutes(15)))
struct HostilePlatformTests {
  /// Enough at a time to keep the cores busy while others wait for a timeout.
  private static let places = AsyncSemaphore(6)

  @Test(arguments: HostileBehaviour.all)
  func `the archive holds the true file or nothing, wherever it is cut`(behaviour: HostileBehaviour) async throws {
    try await Self.places.acquire()
    let outcome: HostileRun.Outcome
    do { outcome = try await HostileRun(behaviour).outcome() } catch {
      Self.places.release()
      throw error
    }
    Self.places.release()
    #expect(outcome.endings.count == HostileFile.cuts.count)
    HostileReport.note(behaviour, outcome)
  }

  @Test func `there are at least 40 behaviours, each with a log text, and 16 cuts of which a run takes at least 8`() {
    #expect(HostileBehaviour.all.count >= 40)
    #expect(Set(HostileBehaviour.all.map(\.name)).count == HostileBehaviour.all.count)
    #expect(Set(HostileFile.allCuts).count == 16)
    #expect(HostileFile.allCuts.allSatisfy { (0...HostileFile.bytes).contains($0) })
    #expect(Set(HostileFile.cuts).count >= 8)
    #expect(Set(HostileFile.cuts).isSubset(of: HostileFile.allCuts))
    #expect(HostileBehaviour.all.allSatisfy { $0.words != nil })
  }

  // MARK: The judge

  @Test func `the judge accepts the true file and nothing else`() async throws {
    let file = HostileFile.make(seed: 1)
    let other = HostileFile.make(seed: 2)
    let part = try await archived(file)
    #expect(HostileJudge.complaint(about: file, part, truths: [other, file]) == nil)
    #expect(HostileJudge.complaint(about: file, part, truths: [other])?.contains("another byte at 44") == true)

    var changed = file
    changed[HostileFile.middle] ^= 1
    #expect(
      HostileJudge.complaint(about: changed, part, truths: [file])?.contains("at \(HostileFile.middle)") == true)
    #expect(HostileJudge.complaint(about: file.dropLast(), part, truths: [file]) != nil)
    #expect(HostileJudge.complaint(about: file + [0], part, truths: [file]) != nil)

    var lying = part
    lying.sourceBytes -= 1
    #expect(HostileJudge.complaint(about: file, lying, truths: [file]) != nil)
    lying = part
    lying.sourceHash = try await archived(other).sourceHash
    #expect(HostileJudge.complaint(about: file, lying, truths: [file]) != nil)
  }

  @Test(arguments: [45, HostileFile.middle, 65_537, HostileFile.audioEnd])
  func `two versions in one file pass the integrity check, and the judge finds them`(cut: Int) async throws {
    let (file, changed) = (HostileFile.make(seed: 1), HostileFile.make(seed: 2))
    var mixed = file[..<cut] + changed[cut...]
    // Both have the same text after their audio.
    mixed[mixed.endIndex - 2] ^= 1
    let part = try await archived(Array(mixed))
    #expect(HostileJudge.complaint(about: Array(mixed), part, truths: [file, changed]) != nil)
  }

  /// What the pipeline archives when it receives these bytes as the complete file.
  private func archived(_ bytes: [UInt8]) async throws -> MediaPart {
    var options = PipelineFixture.Options()
    options.source = HandSource(bytes: bytes)
    return try await PipelineFixture.run(options) { fixture in
      try await fixture.withWorker {
        try await fixture.request("planted")
        #expect(try await fixture.ended("planted").runState == .done)
      }
      #expect(try await HostileJudge.damagedObjects(in: fixture) == [])
      return try #require(try await fixture.catalog.archived(try fixture.key("planted"))?.parts.first)
    }
  }
}

/// Prints how the cases ended after the last behaviour.
private enum HostileReport {
  private static let ended = Mutex<[(name: String, outcome: HostileRun.Outcome)]>([])

  static func note(_ behaviour: HostileBehaviour, _ outcome: HostileRun.Outcome) {
    let all = ended.withLock { ended in
      ended.append((behaviour.name, outcome))
      return ended
    }
    guard all.count == HostileBehaviour.all.count else { return }
    for (name, outcome) in all.sorted(by: { $0.name < $1.name }) {
      print("hostile: \(name): \(counts(outcome.endings.values))")
    }
    let cases = all.flatMap(\.outcome.endings.values)
    print("hostile: \(cases.count) cases of \(all.count) behaviours: \(counts(cases))")
    let breaks = all.reduce(0) { $0 + $1.outcome.breaks }
    let exact = all.reduce(0) { $0 + $1.outcome.exactBreaks }
    print("hostile: \(breaks) downloads went on after their first break, \(exact) of them exactly at the cut")
    // The client drops undelivered bytes when a connection breaks; if it drops too many, the cuts mean little.
    #expect(exact * 2 > breaks)
  }

  private static func counts(_ endings: some Collection<HostileBehaviour.Ending>) -> String {
    Dictionary(grouping: endings) { $0 }.map { ending, all in
      switch ending {
      case .archived: "\(all.count) archived"
      case .failed(let code): "\(all.count) \(code.rawValue)"
      }
    }.sorted().joined(separator: ", ")
  }
}
