import Model
import Synchronization

/// The active faults. The first rule that matches a request is applied and counted.
///
/// A rule that replaces the response is applied alone. A rule that changes its headers and one that disturbs its body
/// can be combined, and a delay can be combined with any rule.
package final class FaultBoard: Sendable {
  private struct Entry {
    var rule: FaultRule
    var left: Int?
    var addedAt: Instant
  }

  /// What a rule changes.
  fileprivate enum Kind { case answer, head, body, pause }

  private let entries: Mutex<[Entry]>
  private let clearings = Atomic(0)
  private let now: @Sendable () -> Instant

  init(_ rules: [FaultRule], now: @escaping @Sendable () -> Instant) {
    self.now = now
    entries = Mutex(rules.map { Entry(rule: $0, left: $0.times, addedAt: now()) })
  }

  /// Adds a rule after the active ones.
  package func add(_ rule: FaultRule) {
    let now = now()
    entries.withLock { $0.append(Entry(rule: rule, left: rule.times, addedAt: now)) }
  }

  /// Removes all rules. A slow body continues at full speed; a file that was replaced stays replaced.
  package func clear() { reset(to: []) }

  /// Returns whether the rules have been cleared since this call.
  func clearingObserver() -> @Sendable () -> Bool {
    let before = clearings.load(ordering: .relaxed)
    return { self.clearings.load(ordering: .relaxed) != before }
  }

  /// Replaces all rules.
  func reset(to rules: [FaultRule]) {
    let now = now()
    clearings.add(1, ordering: .relaxed)
    entries.withLock { $0 = rules.map { Entry(rule: $0, left: $0.times, addedAt: now) } }
  }

  /// The rules that are not used up, each with its remaining `times`.
  package var rules: [FaultRule] {
    entries.withLock { entries in
      entries.map { entry in
        var rule = entry.rule
        rule.times = entry.left
        return rule
      }
    }
  }

  /// Applies the rules for one request and counts them. `start` is the first requested byte, nil without a range.
  func take(_ endpoint: FaultRule.Endpoint, recording: String?, start: Int?) -> [FaultRule] {
    let now = now()
    return entries.withLock { entries in
      var taken: [FaultRule] = []
      var kinds: [Kind] = []
      for index in entries.indices {
        let rule = entries[index].rule
        let kind = rule.fault.kind
        guard rule.applies(to: endpoint, recording: recording, start: start),
          rule.isInForce(after: now - entries[index].addedAt), !kinds.contains(kind)
        else { continue }
        let isExclusive = kind == .answer || kinds.contains(.answer)
        if isExclusive, kind != .pause, kinds.contains(where: { $0 != .pause }) { continue }
        taken.append(rule)
        kinds.append(kind)
        entries[index].left = entries[index].left.map { $0 - 1 }
      }
      entries.removeAll { $0.left == 0 }
      return taken
    }
  }
}

extension FaultRule {
  /// Whether it is active this long after it was added.
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
    case .permissionMissing: endpoint == (variant == "search" ? .search : .metadata)
    case .noRanges, .contentEncoding: endpoint == .download && start != nil
    case .strippedContentRange: endpoint == .download && start == 0
    case .noContentRangeResume, .brokenContentRange, .wrongStart, .earlyStart, .wrongETag:
      endpoint == .download && (start ?? 0) > 0
    case .cut, .changedFile, .stalledBody, .slow, .weakETag, .noETag, .errorPage, .headerOnly, .cutShort, .playlist,
      .addressLapsed:
      endpoint == .download
    }
  }
}

extension FaultRule.Fault {
  fileprivate var kind: FaultBoard.Kind {
    switch self {
    case .delayed: .pause
    case .rateLimited, .serverError, .lapsedToken, .scopeMissing, .privacyRefused, .gone, .statusFlap, .errorPage,
      .headerOnly, .cutShort, .playlist, .addressLapsed, .permissionMissing:
      .answer
    case .noRanges, .strippedContentRange, .noContentRangeResume, .brokenContentRange, .wrongStart, .earlyStart,
      .wrongETag, .weakETag, .noETag, .contentEncoding:
      .head
    case .cut, .changedFile, .stalledBody, .slow: .body
    }
  }
}
