import Foundation
import Model
import TapedeckApp
import Testing

@Suite struct VerifyReportTests {
  private func page(
    recordings: Int, _ problems: String..., whole: Int? = nil, stop: String = "null"
  ) throws -> VerifyAnswer {
    let json = """
      {"recordings": \(recordings), "whole": \(whole ?? recordings - problems.count), "objects": \(recordings * 3), "bytes": 2000000, "seconds": 0.5, "total": 10,
       "problems": [\(problems.joined(separator: ","))], "stop": \(stop)}
      """
    return try JSONDecoder().decode(VerifyAnswer.self, from: Data(json.utf8))
  }

  private func problem(_ id: String, _ status: String, job: Int? = nil, from: String? = nil) -> String {
    var json = """
      {"id": "\(id)", "source": "default", "status": "\(status)", "files": [{"file": "mp3", "part": 0, "object": "o",
       "state": "damaged", "message": "The MP3 has other content.", "sha256": "00", "bytes": 1}]
      """
    if let job { json += ", \"jobId\": \(job)" }
    if let from { json += ", \"repairedFrom\": \"\(from)\"" }
    return json + "}"
  }

  private func names(_ orphans: String..., problems: String..., foreign: Int = 0) throws -> ReconcileAnswer {
    let json = """
      {"orphans": [\(orphans.joined(separator: ","))], "young": 0, "foreign": \(foreign), "problems": [\(problems.joined(separator: ","))]}
      """
    return try JSONDecoder().decode(ReconcileAnswer.self, from: Data(json.utf8))
  }

  private func object(_ line: some Encodable) throws -> [String: Any] {
    let data = Data(try Terminal.jsonLine(line).utf8)
    return try #require(JSONSerialization.jsonObject(with: data) as? [String: Any])
  }

  @Test func `damage that cannot be repaired is not waited for, and has its reason`() throws {
    var report = VerifyReport()
    let refused = problem("a", "damaged").dropLast() + #", "refusal": "its source 'west' is not in the settings."}"#
    let found = try report.add(page(recordings: 1, String(refused)))
    #expect(report.repairs.isEmpty)
    #expect(
      found.map(\.text) == [
        "a: The MP3 has other content. It cannot be repaired: its source 'west' is not in the settings."
      ])
  }

  @Test func `an intact archive has no findings and ends with 0`() throws {
    var report = VerifyReport()
    #expect(try report.add(page(recordings: 2)).isEmpty)
    report.finish()
    #expect(report.summary.failure == nil)
    #expect(report.summary.text == "2 recordings, 6 files, 2.0 MB read at 4 MB/s: everything is intact.")
  }

  @Test(arguments: [(2, 0), (2, 1), (2, 2), (0, 0)])
  func `what ended early is never called intact`(recordings: Int, whole: Int) throws {
    var report = VerifyReport()
    let stop = #"{"code": "storage_failed", "detail": "The object store lacks most of the oldest recordings."}"#
    _ = try report.add(page(recordings: recordings, whole: whole, stop: stop))
    report.finish()
    #expect(!report.summary.text.contains("everything is intact"))
    #expect(report.summary.text.contains("\(whole) intact"))
    #expect(report.summary.text.hasSuffix("; verification stopped early."))
    let summary = try object(report.summary)
    #expect(summary["whole"] as? Int == whole)
    #expect(summary["complete"] as? Bool == false)
  }

  @Test(arguments: [(0, 1), (0, 700), (2, 3)])
  func `files of another catalog end with 12 and are never called intact`(recordings: Int, foreign: Int) throws {
    var report = VerifyReport()
    _ = try report.add(page(recordings: recordings))
    #expect(try report.add(names(foreign: foreign)).isEmpty)
    report.finish()
    #expect(report.summary.failure?.code.exitStatus == .configuration)
    #expect(report.summary.failure?.message.contains("restore it from a backup") == true)
    #expect(!report.summary.text.contains("intact"))
    #expect(try object(report.summary)["foreign"] as? Int == foreign)
  }

  @Test func `files of another catalog do not hide damage`() throws {
    var report = VerifyReport()
    _ = try report.add(page(recordings: 2, problem("a", "damaged")))
    _ = try report.add(names(foreign: 3))
    report.finish()
    #expect(report.summary.failure?.code.exitStatus == .configuration)
    #expect(report.summary.failure?.message.contains("Still damaged: 1 recording") == true)
    #expect(report.summary.text.contains("1 damaged"))
    #expect(report.summary.text.contains("3 files that may belong to another catalog"))
  }

  @Test func `damage without a repair ends with 7`() throws {
    var report = VerifyReport()
    let findings = try report.add(page(recordings: 2, problem("a", "damaged")))
    #expect(findings.map(\.status) == [.damaged])
    #expect(findings.map(\.text) == ["a: The MP3 has other content."])
    report.finish()
    #expect(report.summary.failure?.code.exitStatus == .integrity)
    #expect(report.summary.failure?.message == "Still damaged: 1 recording or file.")
    #expect(report.summary.text.hasSuffix("1 intact, 1 damaged."))
  }

  @Test(arguments: [("unreadable", VerifyFinding.Status.unreadable), ("not_archived", .notArchived)])
  func `what could not be checked ends with 3`(status: String, expected: VerifyFinding.Status) throws {
    var report = VerifyReport()
    #expect(try report.add(page(recordings: 1, problem("a", status))).map(\.status) == [expected])
    report.finish()
    #expect(report.summary.failure?.code.exitStatus == .partlyDone)
  }

  @Test func `a repair in progress ends with 3`() throws {
    var report = VerifyReport()
    let findings = try report.add(page(recordings: 1, problem("a", "damaged", job: 7, from: "original")))
    #expect(
      findings.map(\.text) == ["a: The MP3 has other content. It is being created again from the original."])
    report.finish()
    #expect(report.summary.failure?.code.exitStatus == .partlyDone)
    #expect(
      report.summary.failure?.message == "Not verified: 0 unreadable, 0 not in the archive, 1 being repaired.")
  }

  @Test func `an error while repairs are followed leaves the others in repair`() throws {
    var report = VerifyReport()
    let problems = [problem("a", "damaged", job: 7), problem("b", "damaged", job: 8)].joined(separator: ",")
    _ = try report.add(page(recordings: 2, problems))
    _ = report.endRepair(of: report.repairs[0], try page(recordings: 1), failure: nil)
    report.stop()
    report.finish()
    let summary = try object(report.summary)
    #expect(summary["complete"] as? Bool == false)
    #expect(summary["repaired"] as? Int == 1 && summary["repairing"] as? Int == 1)
    #expect(report.summary.failure?.code.exitStatus == .partlyDone)
  }

  @Test func `a repair that succeeds ends with 0`() throws {
    var report = VerifyReport()
    _ = try report.add(page(recordings: 1, problem("a", "damaged", job: 7, from: "platform")))
    #expect(report.repairs.count == 1)
    let end = report.endRepair(of: report.repairs[0], try page(recordings: 1), failure: nil)
    #expect(report.repairs.isEmpty)
    #expect(end.status == .repaired && end.text == "a: Repaired. All files are intact.")
    #expect(try Terminal.jsonLine(end).contains("Before the repair: The MP3 has other content."))
    report.finish()
    #expect(report.summary.failure == nil)
  }

  @Test(arguments: [nil, "The platform no longer has it."])
  func `a repair that fails ends with 7 and says why`(failure: String?) throws {
    var report = VerifyReport()
    _ = try report.add(page(recordings: 1, problem("a", "damaged", job: 7)))
    let end = report.endRepair(
      of: report.repairs[0], try page(recordings: 1, problem("a", "damaged")), failure: failure)
    #expect(end.status == .damaged)
    #expect(
      end.text == "a: The MP3 has other content. It could not be repaired: \(failure ?? "see the log")")
    report.finish()
    #expect(report.summary.failure?.code.exitStatus == .integrity)
  }

  @Test func `an orphan counts as damage only while it is in place`() throws {
    var report = VerifyReport()
    let moved = #"{"object": "00/x", "bytes": 3, "isMoved": true}"#
    let findings = try report.add(names(moved))
    #expect(
      findings.map(\.text) == [
        "00/x: No row of the catalog refers to this file. It was moved to quarantine (not in 'quarantine list')."
      ])
    #expect(report.summary.failure == nil)
    _ = try report.add(names(#"{"object": "00/y", "bytes": 3, "isMoved": false}"#))
    #expect(report.summary.failure?.code.exitStatus == .integrity)
    #expect(report.summary.text.hasSuffix("2 files unknown to the catalog."))
  }

  @Test func `a recording is reported once`() throws {
    var report = VerifyReport()
    #expect(try report.add(page(recordings: 1, problem("a", "damaged"))).count == 1)
    #expect(try report.add(names(problems: problem("a", "damaged"))).isEmpty)
  }

  @Test(arguments: [75, 76])
  func `a recording that is being repaired is not counted as intact`(whole: Int) throws {
    var report = VerifyReport()
    _ = try report.add(names(problems: problem("a", "damaged", job: 7, from: "platform")))
    // When its files are read, the repair may have ended.
    _ = try report.add(page(recordings: 76, whole: whole))
    report.finish()
    #expect(report.summary.text.hasSuffix(": 75 intact, 1 being repaired."))
    #expect(try object(report.summary)["whole"] as? Int == 75)
  }

  @Test(arguments: ["unreadable", "not_archived", "damaged"])
  func `nothing is called intact beside a problem`(status: String) throws {
    var report = VerifyReport()
    _ = try report.add(page(recordings: 3, problem("a", status)))
    report.finish()
    #expect(!report.summary.text.contains("everything is intact"))
    #expect(report.summary.text.contains(": 2 intact, 1 "))
  }

  // MARK: JSON

  @Test func `JSON keeps the published names`() throws {
    var report = VerifyReport()
    let orphan = try report.add(names(#"{"object": "00/x", "bytes": 3, "isMoved": true}"#))[0]
    #expect(
      try Terminal.jsonLine(orphan) == #"{"bytes":3,"isMoved":true,"object":"00/x","status":"stray"}"#)
    let damaged = try object(
      try report.add(page(recordings: 1, problem("a", "damaged", job: 7, from: "original")))[0])
    #expect(
      Set(damaged.keys) == ["id", "source", "status", "detail", "files", "jobId", "repairedFrom"])
    #expect(damaged["status"] as? String == "repairing")
    report.finish()
    let summary = try object(report.summary)
    #expect(
      Set(summary.keys) == [
        "status", "recordings", "objects", "bytes", "seconds", "megabytesPerSecond", "whole", "repaired", "repairing",
        "damaged", "unreadable", "notArchived", "strays", "foreign", "complete",
      ])
    #expect(summary["status"] as? String == "summary")
    #expect(summary["strays"] as? Int == 1)
    #expect(summary["megabytesPerSecond"] as? Double == 4)
  }
}
