import CXone
import Model
import TapedeckApp
import Testing

@Suite struct DoctorFindingTests {
  @Test func `a passed check shows what was found`() throws {
    let finding = DoctorFinding(
      number: 3, check: "Disk space", failure: nil, remedy: "Free disk space.", found: "9.0 GB free")
    #expect(finding.lines == ["ok   3. Disk space: 9.0 GB free"])
    #expect(
      try Terminal.jsonLine(finding) == #"{"check":"Disk space","message":"9.0 GB free","number":3,"ok":true}"#)
  }

  @Test func `a failed check shows its remedy`() throws {
    let finding = DoctorFinding(
      number: 1, check: "Settings", failure: TapedeckError(.configurationInvalid, "X is not set."), remedy: "Set it.")
    #expect(finding.lines == ["FAIL 1. Settings: X is not set.", "       Set it."])
    #expect(
      try Terminal.jsonLine(finding)
        == #"{"check":"Settings","message":"X is not set.","number":1,"ok":false,"remedy":"Set it."}"#)
  }

  @Test func `a passed check shows what is still to be corrected`() throws {
    let finding = DoctorFinding(
      number: 1, check: "Data directory", failure: nil, remedy: "-", found: "/data.",
      warnings: ["Run 'chmod 700 /data'."])
    #expect(finding.lines == ["warn 1. Data directory: /data. Run 'chmod 700 /data'."])
    #expect(
      try Terminal.jsonLine(finding)
        == #"{"check":"Data directory","message":"/data. Run 'chmod 700 /data'.","number":1,"ok":true,"warning":true}"#)
    let failed = DoctorFinding(
      number: 1, check: "Settings", failure: TapedeckError(.configurationInvalid, "X is not set."), remedy: "Set it.",
      warnings: ["Y is not a setting."])
    #expect(failed.lines == ["FAIL 1. Settings: X is not set.", "       Set it."])
  }

  @Test func `a check that was not made names the one that failed`() throws {
    let finding = DoctorFinding(number: 4, check: "Disk space", skippedAfter: 3)
    #expect(finding.lines == ["skip 4. Disk space: skipped, because check 3 failed"])
    #expect(
      try Terminal.jsonLine(finding)
        == #"{"check":"Disk space","message":"skipped, because check 3 failed","number":4,"ok":false,"skipped":true}"#)
  }

  @Test func `only a refused scope is to be granted`() {
    let refused = AccessCheck(.readScope, failure: TapedeckError(.platformScopeRefused))
    #expect(refused.remedy == "Grant the scope 'recording:read' to the API client on the platform.")
    for check in [
      AccessCheck(.readScope, failure: TapedeckError(.platformUnavailable)),
      AccessCheck(.token, failure: TapedeckError(.platformCredentialsRefused)),
    ] {
      #expect(check.remedy.hasPrefix("Check CXONE_BASE_URL, CXONE_CLIENT_ID and CXONE_CLIENT_SECRET"))
    }
  }
}
