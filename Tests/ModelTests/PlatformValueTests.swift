import Model
import Testing

@Suite struct PlatformValueTests {
  static let privacies: [(String?, Privacy)] = [
    (nil, Privacy.standard), ("standard", .standard), ("restricted", .restricted), ("", .restricted),
    ("Standard", .restricted), ("standard ", .restricted), ("private", .restricted), ("null", .restricted),
  ]

  @Test(arguments: privacies)
  func `an unknown privacy is restricted, a missing one is standard`(value: String?, expected: Privacy) {
    #expect(Privacy(platformValue: value) == expected)
  }

  static let statuses: [(String?, PlatformStatus)] = [
    (nil, PlatformStatus.processing), ("processing", .processing), ("available", .available), ("failed", .failed),
    ("", .processing), ("AVAILABLE", .available), ("Available", .available), ("completed", .available),
    ("ready", .available), ("Failed", .failed), ("archived", .processing), ("1", .processing),
    (" available ", .available), ("available\u{200B}", .available), ("\u{FEFF}failed\r\n", .failed),
    ("avail able", .processing),
  ]

  @Test(arguments: statuses)
  func `an unknown or missing status is processing`(value: String?, expected: PlatformStatus) {
    #expect(PlatformStatus(platformValue: value) == expected)
  }

  @Test func `restricted orders after standard`() {
    #expect(Privacy.standard < .restricted)
    #expect(max(Privacy.restricted, .standard) == .restricted)
    #expect(!(Privacy.restricted < .restricted) && !(Privacy.restricted < .standard))
  }
}
