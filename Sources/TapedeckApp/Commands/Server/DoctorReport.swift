import Model

/// Numbers and prints the findings of `tapedeck doctor` as they are made.
struct DoctorReport {
  private let json: Bool
  private(set) var count = 0
  private(set) var failures = 0
  /// The number of the check that failed most recently.
  private(set) var lastFailure = 0

  init(json: Bool) { self.json = json }

  /// - Returns: whether the check passed.
  @discardableResult
  mutating func add(
    _ check: String, _ failure: TapedeckError?, remedy: String, found: String? = nil, warnings: [String] = []
  ) throws -> Bool {
    count += 1
    if failure != nil {
      failures += 1
      lastFailure = count
    }
    try show(
      DoctorFinding(number: count, check: check, failure: failure, remedy: remedy, found: found, warnings: warnings))
    return failure == nil
  }

  /// Reports a check that was not made.
  ///
  /// - Parameter cause: the number of the failed check that it depends on; nil for the one that failed most recently.
  mutating func skip(_ check: String, after cause: Int? = nil) throws {
    count += 1
    try show(DoctorFinding(number: count, check: check, skippedAfter: cause ?? lastFailure))
  }

  private func show(_ finding: DoctorFinding) throws {
    if json { try Terminal.show(json: finding) } else { for line in finding.lines { Terminal.show(line) } }
  }
}
