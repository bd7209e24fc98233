import Foundation
import Model
import TapedeckApp
import Testing

@Suite struct ListingTests {
  private func decode<T: Decodable>(_ type: T.Type, _ json: String) throws -> T {
    try JSONDecoder().decode(type, from: Data(json.utf8))
  }

  @Test func `recordings show the source unless it is the default one, and why one is restricted`() throws {
    let listing = try decode(
      RecordingListing.self,
      #"""
      {"recordings": [
        {"id": "a", "source": "default", "status": "ready", "privacy": "standard", "startTime": "2026-11-01T10:00:00Z",
         "durationSeconds": 61, "audioSeconds": 59.6, "direction": "outbound", "agentName": "Dana", "agentId": "7"},
        {"id": "b", "source": "emea", "status": "known", "privacy": "restricted", "durationSeconds": 5, "agentId": "8",
         "restrictedReason": "Ask a supervisor."}
      ], "nextCursor": "x"}
      """#)
    #expect(
      listing.table.lines == [
        "ID      STARTED               DURATION  DIRECTION  AGENT  STATUS  PRIVACY",
        "a       2026-11-01T10:00:00Z  1:00      outbound   Dana   ready   standard",
        "emea~b                        0:05                 8      known   Ask a supervisor.",
      ])
    #expect(listing.hasMore)
    let empty = try decode(RecordingListing.self, #"{"recordings": []}"#)
    #expect(!empty.hasMore && empty.table.isEmpty)
  }

  @Test func `accounts show their state and sessions`() throws {
    let listing = try decode(
      AccountListing.self,
      #"""
      {"accounts": [
        {"id": "acc_1", "name": "dana", "role": "admin", "createdAt": "2026-11-01T10:00:00Z", "sessions": 2,
         "lastSeenAt": "2026-11-02T10:00:00Z"},
        {"id": "acc_2", "name": "eve", "role": "agent", "createdAt": "2026-11-01T10:00:00Z", "sessions": 0,
         "disabledAt": "2026-11-03T10:00:00Z"}]}
      """#)
    #expect(
      listing.table.lines == [
        "ID     NAME  ROLE   STATE     SESSIONS  LAST USED             CREATED",
        "acc_1  dana  admin  enabled   2         2026-11-02T10:00:00Z  2026-11-01T10:00:00Z",
        "acc_2  eve   agent  disabled  0         -                     2026-11-01T10:00:00Z",
      ])
  }

  @Test func `a recording shows its facts, files and steps`() throws {
    let recording = try decode(
      ListedRecording.self,
      #"""
      {"id": "a", "source": "default", "status": "ready", "privacy": "standard", "durationSeconds": 5,
       "audioSeconds": 5.25, "agentName": "Dana", "agentId": "7", "codec": "pcm_s16le", "sampleRate": 8000,
       "channels": 1, "warning": "short", "files": [
         {"kind": "mp3", "location": "ab/cd", "sha256": "00ff", "bytes": 12},
         {"kind": "original", "sha256": "11", "bytes": 3}],
       "steps": [{"step": "download", "startedAt": "2026-11-01T10:00:00Z", "seconds": 1.5}]}
      """#)
    #expect(
      recording.lines == [
        "recording  a", "source     default", "status     ready", "privacy    standard",
        "duration   0:05 on the platform", "audio      0:05 (5.25 s)", "agent      Dana 7",
        "format     pcm_s16le, 8,000 Hz, 1 channel", "warning    short", "mp3", "  ab/cd", "  sha256 00ff  12 bytes",
        "original", "  not kept", "  sha256 11  3 bytes", "steps", "  download      1.500 s  2026-11-01T10:00:00Z",
      ])
  }

  @Test func `jobs show what they wait for`() throws {
    let listing = try decode(
      JobListing.self,
      #"""
      {"jobs": [
        {"id": 7, "source": "default", "recordingId": "a", "state": "failed", "stage": "fetching",
         "error": {"code": "disk_full"}, "message": "The disk is full.", "endedAt": "2026-11-01T10:00:00Z"},
        {"id": 8, "source": "emea", "recordingId": "b", "state": "waiting", "stage": "queued", "priority": "sync",
         "dueAt": "2026-11-01T11:00:00Z", "restrictedReason": "Ask a supervisor.", "message": "hidden"},
        {"id": 9, "source": "default", "recordingId": "c", "state": "idle", "stage": "fetching", "priority": "fresh",
         "message": "Queued."}
      ]}
      """#)
    #expect(
      listing.table.lines == [
        "JOB  RECORDING  STATE    STAGE     PRIORITY  CODE       DUE OR ENDED          MESSAGE",
        "7    a          failed   fetching  -         disk_full  2026-11-01T10:00:00Z  The disk is full.",
        "8    emea~b     waiting  queued    sync      -          2026-11-01T11:00:00Z  Ask a supervisor.",
        "9    c          queued   fetching  fresh     -          -                     Queued.",
      ])
    #expect(!listing.hasMore)
    #expect(listing.jobs[0].lines.contains("code       disk_full"))
  }

  @Test func `tokens show when they were last used and revoked`() throws {
    let listing = try decode(
      TokenListing.self,
      #"""
      {"tokens": [
        {"id": "tok_1", "name": "script", "role": "agent", "createdAt": "2026-11-01"},
        {"id": "tok_2", "name": "old", "role": "metrics", "createdAt": "2026-10-01", "lastUsedAt": "2026-10-02",
         "revokedAt": "2026-10-03"}
      ]}
      """#)
    #expect(
      listing.table.lines == [
        "ID     NAME    ROLE     CREATED     LAST USED   REVOKED",
        "tok_1  script  agent    2026-11-01  never       -",
        "tok_2  old     metrics  2026-10-01  2026-10-02  2026-10-03",
      ])
  }

  @Test func `the table of access log entries shows a token as a token, and has the notice of the server`() throws {
    let listing = try decode(
      AccessLogListing.self,
      #"""
      {"entries": [
        {"number": 2, "at": "2026-11-01T10:00:00Z", "action": "listen", "outcome": "allowed",
         "actor": {"id": "tok_1", "kind": "token", "name": "dana", "role": "agent"}, "details": {}, "canonical": "{}"}
      ]}
      """#)
    #expect(listing.table.lines.last?.contains("  token dana  agent  ") == true)
    #expect(listing.notice == nil)
    let empty = try decode(AccessLogListing.self, #"{"entries": [], "notice": "No account or token is named 'x'."}"#)
    #expect(empty.table.isEmpty && empty.notice == "No account or token is named 'x'.")
  }

  @Test func `access log entries show who did what, as a table and as JSON`() throws {
    let listing = try decode(
      AccessLogListing.self,
      #"""
      {"entries": [
        {"number": 2, "at": "2026-11-01T10:00:00Z", "action": "listen", "outcome": "allowed", "recordingId": "a",
         "actor": {"id": "acc_1", "kind": "account", "name": "anna", "role": "agent"}, "address": "192.0.2.1",
         "details": {}, "canonical": "{}"},
        {"number": 3, "at": "2026-11-01T10:00:01Z", "action": "audio_sent", "outcome": "allowed", "count": 3091456,
         "actor": {"id": "operator:0", "kind": "operator", "name": "root", "role": "admin"},
         "details": {"session": "2"}, "canonical": "{}"},
        {"number": 1, "at": "2026-11-01T09:00:00.123Z", "action": "anonymous", "outcome": "denied", "count": 7,
         "details": {"a": "b"}, "canonical": "{}"}
      ]}
      """#)
    #expect(
      listing.table.lines == [
        "ENTRY  TIME                  NAME  ROLE      ACTION      OUTCOME  RECORDING  ADDRESS    DETAILS",
        "2      2026-11-01T10:00:00Z  anna  agent     listen      allowed  a          192.0.2.1  -",
        "3      2026-11-01T10:00:01Z  root  operator  audio_sent  allowed  -          -          3,091,456 bytes, session=2",
        "1      2026-11-01T09:00:00Z  -     -         anonymous   denied   -          -          7 requests, a=b",
      ])
    #expect(
      try Terminal.jsonLine(listing.entries[2])
        == #"{"action":"anonymous","at":"2026-11-01T09:00:00.123Z","canonical":"{}","count":7,"details":{"a":"b"},"number":1,"outcome":"denied"}"#
    )
  }

  @Test func `backfills show their progress`() throws {
    let listing = try decode(
      BackfillListing.self,
      #"""
      {"backfills": [{"id": "bf_1", "source": "default", "from": "2026-01-01", "to": "2026-02-01", "state": "running",
        "reachedAt": "2026-01-15", "queued": 100, "unidentified": 2, "open": 4, "failed": 1}]}
      """#)
    #expect(
      listing.table.lines == [
        "ID    SOURCE   FROM        TO          STATE    REACHED     QUEUED  UNIDENTIFIED  OPEN  FAILED  EXPECTED END",
        "bf_1  default  2026-01-01  2026-02-01  running  2026-01-15  100     2             4     1       -",
      ])
  }

  @Test func `sources show their request budget`() throws {
    let listing = try decode(
      PlatformListing.self,
      #"""
      {"sources": [{"source": "default", "configuredRate": 10, "effectiveRate": 2.5, "requestsLastMinute": 120,
        "requestsLastHour": 3000, "refusedLastHour": 3, "retriesLastHour": 4, "waitingJobs": {"new": 5, "backfill": 7}}]}
      """#)
    let row = try #require(listing.table.lines.last).split(separator: " ").map(String.init)
    #expect(row == ["default", "2.50/s", "10.00/s", "120", "3,000", "3", "4", "-", "12", "-"])
  }

  @Test func `coverage shows days, the total and the gaps`() throws {
    let figures =
      #""expected": 3, "ready": 2, "waiting": 0, "failed": 0, "refused": 0, "missing": 1, "unidentified": 0, "unlisted": 0"#
    let report = try decode(
      CoverageReport.self,
      #"""
      {"source": "default", "otherSources": [], "timeZone": "UTC", "filter": "all calls",
       "days": [{"day": "2026-11-01", "reported": 4, \#(figures), "checked": false, "complete": false}],
       "total": {\#(figures), "checked": false, "complete": false},
       "gaps": [{"id": "a", "source": "default", "day": "2026-11-01", "at": "2026-11-01T10:00:00Z",
         "standing": "missing", "reason": "Not requested yet.", "fillable": true}]}
      """#)
    #expect(
      report.lines == [
        "Source: default (UTC, all calls)",
        "DAY         REPORTED  EXPECTED  READY  WAITING  FAILED  REFUSED  MISSING  UNIDENTIFIED  CHECKED",
        "2026-11-01  4         3         2      0        0       0        1        0             not checked",
        "TOTAL       unknown   3         2      0        0       0        1        0             not checked", "",
        "GAP  STARTED               STATUS   REASON", "a    2026-11-01T10:00:00Z  missing  Not requested yet.",
      ])
  }

  @Test func `coverage shows no numbers of a day that was never listed`() throws {
    func figures(_ day: String, _ expected: Int, _ checked: String) -> String {
      #"""
      {\#(day) "expected": \#(expected), "ready": \#(expected), "waiting": 0, "failed": 0, "refused": 0, "missing": 0,
       "unidentified": 0, "unlisted": 0, \#(checked), "complete": false}
      """#
    }
    let never = figures(#""day": "2026-11-01","#, 0, #""checked": false"#)
    let early = figures(
      #""day": "2026-11-02", "reported": 0,"#, 0, #""checked": false, "checkedAt": "2026-11-02T01:00:00Z""#)
    let synced = figures(#""day": "2026-11-03","#, 2, #""checked": false"#)
    func rows(_ days: [String], total: Int) throws -> [[String]] {
      let report = try decode(
        CoverageReport.self,
        #"""
        {"source": "default", "otherSources": [], "timeZone": "UTC", "filter": "all calls",
         "days": [\#(days.joined(separator: ","))], "total": \#(figures("", total, #""checked": false"#)), "gaps": []}
        """#)
      return report.lines.dropFirst(2).map { Array($0.split(separator: " ").map(String.init).prefix(9)) }
    }
    let unknown = Array(repeating: "–", count: 8)
    #expect(try rows([never], total: 0) == [["2026-11-01"] + unknown, ["TOTAL"] + unknown])
    #expect(
      try rows([never, early, synced], total: 2) == [
        ["2026-11-01"] + unknown, ["2026-11-02"] + Array(repeating: "0", count: 8),
        ["2026-11-03", "unknown", "2", "2", "0", "0", "0", "0", "0"],
        ["TOTAL", "unknown", "2", "2", "0", "0", "0", "0", "0"],
      ])
  }

  @Test(
    arguments: [
      (3, 3, 0, true, nil), (0, 0, 0, true, nil), (3, 2, 0, true, "1 expected recording not in the archive."),
      (3, 1, 2, true, "2 expected recordings not in the archive."), (0, 0, 0, false, "1 day not checked."),
      (3, 3, 0, false, "1 day not checked."),
      (3, 2, 1, false, "1 expected recording not in the archive, 1 day not checked."),
    ] as [(Int, Int, Int, Bool, String?)])
  func `coverage says why it is incomplete`(
    expected: Int, ready: Int, unidentified: Int, isChecked: Bool, text: String?
  ) throws {
    let isComplete = isChecked && expected == ready
    let figures = #"""
      {"day": "2026-11-01", "expected": \#(expected), "ready": \#(ready), "waiting": 0, "failed": 0, "refused": 0,
       "missing": 0, "unidentified": \#(unidentified), "unlisted": 0, "checked": \#(isChecked), "complete": \#(isComplete),
       "unidentifiedRows": [{"position": 7, "reason": "The row has no ID."}]}
      """#
    let report = try decode(
      CoverageReport.self,
      #"{"source": "default", "otherSources": [], "timeZone": "UTC", "filter": "all calls", "days": [\#(figures)], "total": \#(figures), "gaps": []}"#
    )
    #expect(report.incompleteText == text)
    #expect(report.lines.contains("2026-11-01  7    The row has no ID.") == (unidentified > 0))
  }

  @Test(
    arguments: [
      (#"[]"#, nil), (#"["west"]"#, "Not covered: west. Name a source with --source."),
      (#"["east","west"]"#, "Not covered: east, west. Name a source with --source."),
    ] as [(String, String?)])
  func `coverage names its source and the sources that it does not cover`(others: String, text: String?) throws {
    let figures =
      #""expected": 0, "ready": 0, "waiting": 0, "failed": 0, "refused": 0, "missing": 0, "unidentified": 0, "unlisted": 0"#
    let report = try decode(
      CoverageReport.self,
      #"""
      {"source": "south", "otherSources": \#(others), "timeZone": "Asia/Kolkata", "filter": "inbound calls", "days": [],
       "total": {\#(figures), "checked": true, "complete": true}, "gaps": []}
      """#)
    #expect(report.lines.first == "Source: south (Asia/Kolkata, inbound calls)")
    #expect(report.lines.first { $0.hasPrefix("Not covered") } == text)
  }

  @Test func `a sync names the rows that cannot be archived`() throws {
    let answer = try decode(
      SyncAnswer.self,
      #"""
      {"source": "default", "found": 2, "queued": 1, "unidentified": 3, "unidentifiedRows": [
        {"listFrom": "2026-11-01T00:00:00Z", "position": 7, "reason": "The row has no ID."}]}
      """#)
    #expect(
      answer.lines == [
        "Found 2 recordings, queued 1.", "", "LIST FROM             ROW  REASON",
        "2026-11-01T00:00:00Z  7    The row has no ID.",
      ])
    #expect(answer.incompleteText == "3 rows of the platform's list cannot be archived: no usable ID.")
  }

  @Test func `a sync whose rows are all identified is complete`() throws {
    let answer = try decode(
      SyncAnswer.self, #"{"source": "default", "found": 1, "queued": 0, "unidentified": 0, "unidentifiedRows": []}"#)
    #expect(answer.lines == ["Found 1 recording, queued 0."])
    #expect(answer.incompleteText == nil)
  }

  @Test func `an empty list says what there is none of`() {
    #expect(AccountListing.emptyText == "There are no accounts.")
    #expect(TokenListing.emptyText == "There are no API tokens.")
    #expect(BackfillListing.emptyText == "There are no backfills.")
    #expect(QuarantineListing.emptyText == "No downloads are in quarantine.")
    #expect(PlatformListing.emptyText == "There are no sources.")
  }

  @Test func `a quarantined file shows its path, and how to follow its job once it is accepted`() throws {
    let file = try decode(
      QuarantinedFile.self,
      #"""
      {"id": 7, "source": "default", "recordingId": "call-1", "state": "accepted", "bytes": 44, "sha256": "00ff",
       "quarantinedAt": "2026-11-01T10:00:00Z", "code": "incomplete_recording", "detail": "It was cut short.",
       "node": "archive-2:/data/quarantine", "path": "/data/quarantine/call-1.bin"}
      """#)
    #expect(file.lines.contains { $0.hasPrefix("path ") && $0.hasSuffix(" /data/quarantine/call-1.bin") })
    #expect(file.acceptedText.hasPrefix("File 7 is accepted"))
    #expect(file.acceptedText.hasSuffix("run 'tapedeck jobs show call-1'."))
  }

  @Test(arguments: [("2026-02-27", "2026-02-27"), ("2026-02-28", "2026-02-27")])
  func `an empty span says that its end is excluded`(from: String, to: String) throws {
    do {
      _ = try DaySpan(from: from, to: to)
      Issue.record("The span is empty.")
    } catch { #expect("\(error)".contains("the day of --to is excluded")) }
  }

  @Test func `a span of days excludes its end`() throws {
    let span = try DaySpan(from: "2026-02-27", to: "2026-03-02")
    #expect(span.days.map(\.description) == ["2026-02-27", "2026-02-28", "2026-03-01"])
  }
}
