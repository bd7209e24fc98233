import Catalog
import Model
import TestKit
import Testing

/// Messages that repeat a secret are stored without it.
@Suite struct StoredSecretsTests {
  static let token = "stored-canary-1"
  static let secrets = [token, "stored%2Dcanary%252D1", "tdk_canary123", "tdk%255Fcanary123", "tdks_canary-123"]

  private func refusal(_ secret: String, _ code: TapedeckError.Code = .platformRefused) -> TapedeckError {
    Redactor.shared.renew("stored secrets test", Self.token)
    return TapedeckError(code, "The platform rejected the request: '\(secret)' is not valid.")
  }

  private func expectNone(in test: TestCatalog, sourceLocation: SourceLocation = #_sourceLocation) async throws {
    for (table, rows) in try await test.everything() {
      for row in rows { #expect(!row.contains("anary"), "\(table)", sourceLocation: sourceLocation) }
    }
  }

  @Test(arguments: DatabaseKind.allCases, secrets)
  func `the failure of a job has no secret`(kind: DatabaseKind, secret: String) async throws {
    let test = try await TestCatalog(kind)
    for (name, release) in [
      ("a", JobRelease.fail(refusal(secret))),
      ("b", .retry(at: test.clock.now + .seconds(60), because: refusal(secret))),
      ("c", .postpone(until: test.clock.now + .seconds(60), because: refusal(secret))),
    ] {
      try await test.request(name)
      try await test.catalog.release(try await test.claim().lease, release)
      let failure = try await test.catalog.job(of: try key(name))?.failure
      #expect(failure?.message.hasPrefix("The platform rejected the request: '") == true)
      #expect(failure?.message.contains("[redacted]") == true)
    }
    try await expectNone(in: test)
  }

  @Test(arguments: DatabaseKind.allCases, secrets)
  func `failures of tasks, backfills, repairs and integrity checks have no secret`(
    kind: DatabaseKind, secret: String
  ) async throws {
    let test = try await TestCatalog(kind)
    let backfill = try await test.catalog.startBackfill(
      of: Period(start: Instant(milliseconds: 0), end: Instant(milliseconds: 1000)), from: .default, direction: nil,
      by: "tester", entry: test.entry(.backfill))
    let task = try #require(try await test.catalog.claimTask(TaskKey(.backfill, of: .default), lease: .seconds(30)))
    try await test.catalog.endBackfill(backfill.id, lease: task.lease, because: refusal(secret))
    try await test.catalog.release(task.lease, .failed(next: test.clock.now, because: refusal(secret)))
    try await test.catalog.addToQuarantine(
      try key("q"), because: refusal(secret, .incompleteRecording),
      content: ObjectContent(hash: TestCatalog.hash("ab"), bytes: 1), spoolID: "spool", node: "node:/q", file: "q")
    // The row of bytes that were accepted before is open again with the new reason.
    let accepted = ObjectContent(hash: TestCatalog.hash("cd"), bytes: 1)
    for reason in [refusal("old", .unsupportedAudio), refusal(secret, .unsupportedAudio)] {
      try await test.catalog.addToQuarantine(
        try key("q"), because: reason, content: accepted, spoolID: "spool", node: "node:/q", file: "accepted")
      _ = try await test.database.write { db in
        try db.execute("UPDATE quarantine SET state = 'accepted' WHERE file = 'accepted' AND reason LIKE '%old%'")
      }
    }
    let reopened = try await test.catalog.quarantine(visibleTo: .everything, decided: true, limit: 9)
      .filter { $0.file == "accepted" }
    #expect(reopened.map(\.state) == [.kept] && reopened.first?.reason.contains("[redacted]") == true)
    try await test.archiveRecording("call-1")
    let row = try #require(try await test.catalog.recording(try key("call-1")))
    let damage = Damage(
      recordingID: row.id, key: row.key, files: [DamagedFile(.mp3, .missing)], code: .objectMissing, hasOriginal: false,
      details: [:])
    _ = try await test.catalog.requestRepair(of: [damage], preempting: false, at: test.clock.now, by: .recurringTask)
    try await test.catalog.release(try await test.claim().lease, .fail(refusal(secret)))
    #expect(try await test.catalog.recording(row.key)?.damage?.sentence.contains("[redacted]") == true)
    try await expectNone(in: test)
  }
}
