import Catalog
import Foundation
import Logging
package import Model

/// How far the look for new calls is.
package struct SyncState: Codable, Sendable {
  /// Every call that began before this moment, in UTC milliseconds, has been asked for; nil before the first time.
  package var watermark: Int64?

  /// What a duty's row holds; a state that cannot be read is none.
  package init(_ json: String) {
    self = (try? JSONDecoder().decode(Self.self, from: Data(json.utf8))) ?? Self(watermark: nil)
  }

  private init(watermark: Int64?) { self.watermark = watermark }
}

/// How far a look back is.
private struct LookBackState: Codable {
  /// The day that is next, in the zone of the source; nil when the next look back begins anew.
  var next: String?

  init(_ json: String) {
    self = (try? JSONDecoder().decode(Self.self, from: Data(json.utf8))) ?? Self(next: nil)
  }

  init(next: String?) { self.next = next }
}

extension Scheduler {
  /// Looks for new calls of a source now, and waits while another node does.
  ///
  /// - Throws: what a search throws; `platformUnavailable` when another node does not come to an end.
  package func syncNow(_ source: SourceID) async throws(TapedeckError) -> Discovery.Found {
    guard let discovery = discoveries[source] else {
      throw TapedeckError(.notFound, "No source of the name '\(source)' is configured.")
    }
    let key = TaskKey(.sync, of: source)
    try await catalog.ensureDuties([key])
    let duty = try await claimInTurn(key)
    do throws(TapedeckError) {
      let startedAt = system.now()
      let found = try await keepingLease(duty.lease) { () async throws(TapedeckError) in
        try await sync(duty, discovery)
      }
      await release(duty, .done(next: startedAt + discovery.plan.interval))
      return found
    } catch {
      await release(duty, error.code == .interrupted ? .interrupted : failure(of: duty, error))
      throw error
    }
  }

  private func claimInTurn(_ key: TaskKey) async throws(TapedeckError) -> TaskRow {
    for _ in 0..<600 {
      if let duty = try await catalog.claimDuty(key, lease: limits.lease, early: true) { return duty }
      do { try await system.sleep(.milliseconds(200)) } catch { throw TapedeckError(.interrupted) }
    }
    throw TapedeckError(
      .platformUnavailable, "Calls are being looked for already, for two minutes now. Try again later.")
  }

  /// Lists everything since the last time, and some time before it.
  ///
  /// A long time is listed a day at a time: the watermark moves when all pages of a day are done, so that a run that
  /// goes on after a failure need not begin anew.
  @discardableResult
  func sync(_ duty: TaskRow, _ discovery: Discovery) async throws(TapedeckError) -> Discovery.Found {
    let plan = discovery.plan
    // The platform is asked in whole seconds.
    let now = Instant(milliseconds: system.now().milliseconds / 1000 * 1000)
    let first = CalendarDay(containing: now, in: plan.zone).advanced(by: -plan.lookBackDays).start
    // A clock that was wrong once must not keep us from looking.
    let watermark = min(SyncState(duty.state).watermark.map(Instant.init(milliseconds:)) ?? first, now)
    var from = watermark + (Duration.zero - plan.overlap)
    var found = Discovery.Found()
    while from < now {
      let to = min(from + .seconds(86_400), now)
      let part = try await discovery.list(Period(start: from, end: to), for: .sync)
      found.wanted += part.wanted
      found.queued += part.queued
      try await record(#"{"watermark":\#(max(watermark, to).milliseconds)}"#, duty)
      from = to
    }
    report(found, duty)
    return found
  }

  /// Looks through the last days again, from today on backwards: for calls that came late, for who may hear them now,
  /// and for what each day must hold.
  func lookBack(_ duty: TaskRow, _ discovery: Discovery) async throws(TapedeckError) {
    let plan = discovery.plan
    let now = system.now()
    let today = CalendarDay(containing: now, in: plan.zone)
    let oldest = today.advanced(by: -plan.lookBackDays)
    var day = today
    if let next = LookBackState(duty.state).next.flatMap({ CalendarDay($0, in: plan.zone) }) {
      day = min(max(next, oldest), today)
    }
    var found = Discovery.Found()
    while day >= oldest {
      let part = try await discovery.check(day, now: now, fetches: true, for: .lookBack)
      found.wanted += part.wanted
      found.queued += part.queued
      day = day.advanced(by: -1)
      try await record(day >= oldest ? #"{"next":"\#(day)"}"# : "{}", duty)
    }
    report(found, duty)
  }

  private func record(_ state: String, _ duty: TaskRow) async throws(TapedeckError) {
    try await catalog.recordState(state, of: duty.lease)
  }

  private func report(_ found: Discovery.Found, _ duty: TaskRow) {
    logger.log(
      level: found.queued > 0 ? .info : .debug, "looked for calls",
      metadata: [
        "duty": "\(duty.key.name.rawValue)", "source": "\(duty.key.source)", "found": "\(found.wanted)",
        "queued": "\(found.queued)",
      ])
  }
}

extension Scheduler {
  /// Lists a whole day on the platform for a report; nothing is fetched.
  ///
  /// - Throws: what a search throws; `notFound` for a source that is not configured.
  package func check(_ day: CalendarDay, of source: SourceID) async throws(TapedeckError) -> Discovery.Found {
    guard let discovery = discoveries[source] else {
      throw TapedeckError(.notFound, "No source of the name '\(source)' is configured.")
    }
    return try await discovery.check(day, now: system.now(), fetches: false, for: .check)
  }
}
