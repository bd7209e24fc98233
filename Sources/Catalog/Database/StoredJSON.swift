import Foundation
import Model

/// The text in which the catalog stores a value as JSON; equal values have equal texts.
///
/// - Throws: `internalError`.
func storedJSON(_ value: some Encodable) throws(TapedeckError) -> String {
  let encoder = JSONEncoder()
  encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
  do { return String(decoding: try encoder.encode(value), as: UTF8.self) } catch {
    throw TapedeckError(.internalError, cause: error)
  }
}

extension Row {
  /// A column with a value as JSON; nil for null.
  func optionalJSON<T: Decodable>(_ column: String, as type: T.Type) throws(TapedeckError) -> T? {
    guard let text = optionalText(column) else { return nil }
    do { return try JSONDecoder().decode(type, from: Data(text.utf8)) } catch {
      throw TapedeckError(.catalogFailed, detail: "column '\(column)' has an unexpected value", cause: error)
    }
  }
}
