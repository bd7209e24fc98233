package import Model

/// The result of one check of `tapedeck doctor`.
package struct DoctorFinding: Encodable, Sendable {
  package var number: Int
  package var check: String
  package var ok: Bool
  /// What was found, or what is wrong.
  package var message: String?
  /// What to do about a failure.
  package var remedy: String?
  /// True for a check that was not made, because it depends on one that failed; omitted otherwise.
  package var skipped: Bool?
  /// True when the check passed and something is still to be corrected; omitted otherwise.
  package var warning: Bool?

  /// - Parameter warnings: what to correct although the check passes, as sentences that say how.
  package init(
    number: Int, check: String, failure: TapedeckError?, remedy: String, found: String? = nil, warnings: [String] = []
  ) {
    self.number = number
    self.check = check
    ok = failure == nil
    let passed = ([found].compactMap { $0 } + warnings).joined(separator: " ")
    message = failure?.message ?? (passed.isEmpty ? nil : passed)
    self.remedy = failure == nil ? nil : remedy
    warning = failure == nil && !warnings.isEmpty ? true : nil
  }

  /// A check that was not made.
  ///
  /// - Parameter cause: the number of the failed check that it depends on.
  package init(number: Int, check: String, skippedAfter cause: Int) {
    self.number = number
    self.check = check
    ok = false
    message = "skipped, because check \(cause) failed"
    skipped = true
  }

  /// The finding as lines of text.
  package var lines: [String] {
    let label = warning == true ? "warn" : ok ? "ok  " : skipped == true ? "skip" : "FAIL"
    let first = "\(label) \(number). \(check)\(message.map { ": \($0)" } ?? "")"
    return [first] + (remedy.map { ["       \($0)"] } ?? [])
  }
}
