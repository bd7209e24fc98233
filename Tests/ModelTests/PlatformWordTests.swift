import Model
import Testing

@Suite struct PlatformWordTests {
  static let privacies: [(String?, Privacy)] = [
    (nil, Privacy.standard), ("standard", .standard), ("restricted", .restricted), ("", .restricted),
    ("Standard", .restricted), ("standard ", .restricted), ("private", .restricted), ("null", .restricted),
  ]

  @Test(arguments: privacies)
  func `an unknown privacy is restricted, a missing one standard`(word: String?, expected: Privacy) {
    #expect(Privacy(platformValue: word) == expected)
  }

  static let statuses: [(String?, PlatformStatus)] = [
    (nil, PlatformStatus.processing), ("processing", .processing), ("available", .available), ("failed", .failed),
    ("", .processing), ("AVAILABLE", .processing), ("archived", .processing),
  ]

  @Test(arguments: statuses)
  func `an unknown or missing status is not yet`(word: String?, expected: PlatformStatus) {
    #expect(PlatformStatus(platformValue: word) == expected)
  }

  @Test func `restricted is the stricter`() {
    #expect(Privacy.standard < .restricted)
    #expect(max(Privacy.restricted, .standard) == .restricted)
    #expect(!(Privacy.restricted < .restricted) && !(Privacy.restricted < .standard))
  }
}
