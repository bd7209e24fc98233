import Hummingbird
import Model
import NIOCore

/// Rows of a CSV file (RFC 4180) that spreadsheets do not run as formulas.
package enum CSV {
  /// A line with its end. A missing value is an empty field.
  package static func line(_ fields: [String?]) -> String {
    fields.map { $0.map(field) ?? "" }.joined(separator: ",") + "\r\n"
  }

  /// A text that begins like a formula gets an apostrophe first. A text with separators is quoted.
  private static func field(_ text: String) -> String {
    let scalars = text.unicodeScalars
    let safe = startsFormula(scalars) ? "'\(text)" : text
    guard scalars.contains(where: { $0 == "," || $0 == "\"" || $0.breaksLine }) else { return safe }
    return "\"\(safe.replacing("\"", with: "\"\""))\""
  }

  /// Spreadsheets also take the small and full-width forms, and skip spaces and invisible characters before the sign.
  private static func startsFormula(_ scalars: String.UnicodeScalarView) -> Bool {
    guard scalars.first?.properties.isWhitespace != true else { return true }
    switch scalars.first(where: { !isInvisible($0) }) {
    case "=", "+", "-", "@", "＝", "＋", "－", "＠", "\u{FE66}", "\u{FE62}", "\u{FE63}", "\u{FE6B}", "\u{2212}": return true
    default: return false
    }
  }

  private static func isInvisible(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.properties.generalCategory {
    case .control, .format: true
    default: scalar.properties.isWhitespace || scalar.properties.isDefaultIgnorableCodePoint
    }
  }

  /// A file that is sent page by page: each page is read when the previous one has been taken.
  ///
  /// - Parameter page: the rows of the page after a cursor, and the cursor of the next page or nil after the last.
  static func response<Cursor: Sendable>(
    name: String, header: [String],
    page: @escaping @Sendable (Cursor?) async throws -> (rows: [[String?]], next: Cursor?)
  ) -> Response {
    let body = ResponseBody { writer in
      try await writer.write(ByteBuffer(string: line(header)))
      var cursor: Cursor?
      repeat {
        let (rows, next) = try await page(cursor)
        if !rows.isEmpty { try await writer.write(ByteBuffer(string: rows.map(line).joined())) }
        cursor = next
      } while cursor != nil
      try await writer.finish(nil)
    }
    return Response(
      status: .ok,
      headers: [
        .contentType: "text/csv; charset=utf-8; header=present", .cacheControl: "no-store",
        .contentDisposition: "attachment; filename=\"\(name)\"",
      ], body: body)
  }
}
