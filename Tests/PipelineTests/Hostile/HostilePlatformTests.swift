import Model
import Pipeline
import Synchronization
import Testing

/// Whatever a platform answers, the archive holds the true file, or nothing and the job says why.
@Suite(.timeLimit(.minutes(10)))
struct HostilePlatformTests {
  /// As many at a time as keep the cores busy while others wait for a time-out.
  private static let places = Slots(4)

  @Test(arguments: HostileBehaviour.all)
  func `the archive holds the true file or nothing, wherever it is cut`(behaviour: HostileBehaviour) async throws {
    try await Self.places.take()
    let endings: [Int: HostileBehaviour.Ending]
    do { endings = try await HostileRun(behaviour).endings() } catch {
      await Self.places.give()
      throw error
    }
    await Self.places.give()
    #expect(endings.count == HostileFile.cuts.count)
    HostileReport.note(behaviour, endings)
  }

  @Test func `there are more than 40 behaviours with 16 cuts each`() {
    #expect(HostileBehaviour.all.count >= 40)
    #expect(Set(HostileBehaviour.all.map(\.name)).count == HostileBehaviour.all.count)
    #expect(Set(HostileFile.cuts).count == 16)
    #expect(HostileFile.cuts.allSatisfy { (0...HostileFile.bytes).contains($0) })
  }
}

/// Prints how the cases ended when the last behaviour is through.
private enum HostileReport {
  private static let ended = Mutex<[(name: String, endings: [Int: HostileBehaviour.Ending])]>([])

  static func note(_ behaviour: HostileBehaviour, _ endings: [Int: HostileBehaviour.Ending]) {
    let all = ended.withLock { ended in
      ended.append((behaviour.name, endings))
      return ended
    }
    guard all.count == HostileBehaviour.all.count else { return }
    for (name, endings) in all.sorted(by: { $0.name < $1.name }) {
      print("hostile: \(name): \(counts(endings.values))")
    }
    let cases = all.flatMap(\.endings.values)
    print("hostile: \(cases.count) cases of \(all.count) behaviours: \(counts(cases))")
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
