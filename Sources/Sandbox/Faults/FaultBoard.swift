import Model
import Synchronization

/// The faults that are in force. The first rule that fits a request is applied and counted.
///
/// A rule that replaces the answer stands alone. One that only changes its head and one that disturbs its body can
/// meet in the same answer, and a delay goes with anything.
package final class FaultBoard: Sendable {
  private struct Entry {
    var rule: FaultRule
    var left: Int?
    var addedAt: Instant
  }

  /// What a rule acts on.
  fileprivate enum Kind { case answer, head, body, pause }

  private let entries: Mutex<[Entry]>
  private let now: @Sendable () -> Instant

  init(_ rules: [FaultRule], now: @escaping @Sendable () -> Instant) {
    self.now = now
    entries = Mutex(rules.map { Entry(rule: $0, left: $0.times, addedAt: now()) })
  }

  /// Puts a rule behind those in force.
  package func add(_ rule: FaultRule) {
    let now = now()
    entries.withLock { $0.append(Entry(rule: rule, left: rule.times, addedAt: now)) }
  }

  /// Takes all rules away. A file that has changed stays changed.
  package func clear() {
    entries.withLock { $0.removeAll() }
  }

  /// The rules that are not used up; `times` is what is left of each.
  package var rules: [FaultRule] {
    entries.withLock { entries in
      entries.map { entry in
        var rule = entry.rule
        rule.times = entry.left
        return rule
      }
    }
  }

  /// Takes what goes wrong with one request. `start` is the first byte it asks for, nil without a range.
  func draw(_ endpoint: FaultRule.Endpoint, recording: String?, start: Int?) -> [FaultRule] {
    let now = now()
    return entries.withLock { entries in
      var drawn: [FaultRule] = []
      var kinds: [Kind] = []
      for index in entries.indices {
        let rule = entries[index].rule
        let kind = rule.fault.kind
        guard rule.applies(to: endpoint, recording: recording, start: start),
          rule.isInForce(after: now - entries[index].addedAt), !kinds.contains(kind)
        else { continue }
        let standsAlone = kind == .answer || kinds.contains(.answer)
        if standsAlone, kind != .pause, kinds.contains(where: { $0 != .pause }) { continue }
        drawn.append(rule)
        kinds.append(kind)
        entries[index].left = entries[index].left.map { $0 - 1 }
      }
      entries.removeAll { $0.left == 0 }
      return drawn
    }
  }
}

extension FaultRule {
  /// Whether it is one of the times at which it happens, so long after it was put up.
  fileprivate func isInForce(after time: Duration) -> Bool {
    guard let lasts else { return true }
    let seconds = time.inSeconds
    return every.map { seconds.truncatingRemainder(dividingBy: $0) < lasts } ?? (seconds < lasts)
  }

  fileprivate func applies(to endpoint: Endpoint, recording: String?, start: Int?) -> Bool {
    if let wanted = self.endpoint, wanted != endpoint { return false }
    if let wanted = self.recording, wanted != recording { return false }
    return switch fault {
    case .rateLimited, .serverError, .delayed: true
    case .lapsedToken, .scopeMissing: endpoint != .token
    case .privacyRefused, .gone: endpoint == .metadata || endpoint == .download
    case .statusFlap: endpoint == .metadata
    case .noRanges, .contentEncoding: endpoint == .download && start != nil
    case .strippedContentRange: endpoint == .download && start == 0
    case .noContentRangeResume, .brokenContentRange, .wrongStart, .earlyStart, .wrongETag:
      endpoint == .download && (start ?? 0) > 0
    case .cut, .changedFile, .stalledBody, .slow, .weakETag, .noETag, .errorPage, .headerOnly, .cutShort, .playlist:
      endpoint == .download
    }
  }
}

extension FaultRule.Fault {
  fileprivate var kind: FaultBoard.Kind {
    switch self {
    case .delayed: .pause
    case .rateLimited, .serverError, .lapsedToken, .scopeMissing, .privacyRefused, .gone, .statusFlap, .errorPage,
      .headerOnly, .cutShort, .playlist:
      .answer
    case .noRanges, .strippedContentRange, .noContentRangeResume, .brokenContentRange, .wrongStart, .earlyStart,
      .wrongETag, .weakETag, .noETag, .contentEncoding:
      .head
    case .cut, .changedFile, .stalledBody, .slow: .body
    }
  }
}
