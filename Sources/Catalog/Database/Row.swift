package import Model

/// One row of a result. Columns are read by name and type; a missing value or another type throws `catalogFailed`.
package struct Row: Sendable {
  /// The index of each column in `values`.
  let columns: [String: Int]
  let values: [Value]

  package init(columns: [String: Int], values: [Value]) {
    self.columns = columns
    self.values = values
  }

  package subscript(column: String) -> Value {
    guard let index = columns[column], values.indices.contains(index) else { return .null }
    return values[index]
  }

  package func int(_ column: String) throws(TapedeckError) -> Int64 { try required(optionalInt(column), column) }
  package func text(_ column: String) throws(TapedeckError) -> String { try required(optionalText(column), column) }
  package func bytes(_ column: String) throws(TapedeckError) -> [UInt8] { try required(optionalBytes(column), column) }
  package func instant(_ column: String) throws(TapedeckError) -> Instant { Instant(milliseconds: try int(column)) }

  /// A text column whose values are the raw values of an enum.
  package func value<T: RawRepresentable<String>>(_ column: String, as type: T.Type) throws(TapedeckError) -> T {
    try required(T(rawValue: try text(column)), column)
  }

  package func optionalInt(_ column: String) -> Int64? {
    if case .integer(let value) = self[column] { value } else { nil }
  }

  package func optionalText(_ column: String) -> String? {
    if case .text(let value) = self[column] { value } else { nil }
  }

  package func optionalBytes(_ column: String) -> [UInt8]? {
    if case .blob(let value) = self[column] { value } else { nil }
  }

  package func optionalInstant(_ column: String) -> Instant? {
    optionalInt(column).map(Instant.init(milliseconds:))
  }

  package func optionalValue<T: RawRepresentable<String>>(_ column: String, as type: T.Type) -> T? {
    optionalText(column).flatMap(T.init(rawValue:))
  }

  /// The column `source`.
  func source() throws(TapedeckError) -> SourceID { try required(SourceID(try text("source")), "source") }

  /// A column with the code of an error; `internalError` for one that this version does not know.
  func optionalErrorCode(_ column: String) -> TapedeckError.Code? {
    optionalText(column).map { TapedeckError.Code(rawValue: $0) ?? .internalError }
  }

  /// A column with the damage of a recording.
  func optionalDamage(_ column: String) throws(TapedeckError) -> DamageNote? {
    guard let text = optionalText(column) else { return nil }
    return try DamageNote(stored: text)
  }

  private func required<T>(_ value: T?, _ column: String) throws(TapedeckError) -> T {
    guard let value else {
      throw TapedeckError(.catalogFailed, detail: "column '\(column)' is missing or has an unexpected value")
    }
    return value
  }
}

/// A text that both databases can store: U+FFFD replaces NUL.
func withoutNUL(_ text: String) -> String {
  text.utf8.contains(0) ? text.replacing("\0", with: "\u{FFFD}") : text
}
