package import Model

/// A value that both databases can store. Instants are `integer` in UTC milliseconds, flags 0 and 1, JSON is `text`.
///
/// A NUL in a text is stored as U+FFFD, since neither database can store it.
package enum Value: Sendable, Hashable {
  case null
  case integer(Int64)
  case real(Double)
  case text(String)
  case blob([UInt8])
}

/// A type whose values can be interpolated into `SQL`.
package protocol ValueConvertible {
  var sqlValue: Value { get }
}

/// A statement whose interpolated values are bound as parameters: `"SELECT … WHERE id = \(id)"`.
///
/// Parameters are `?` for SQLite and `$n` for PostgreSQL. Interpolated `SQL` becomes part of the statement. PostgreSQL
/// infers the type of a null from its context, as in `coalesce(\(x), column)`; where there is none, cast it:
/// `CAST(\(x) AS TEXT) IS NULL`.
package struct SQL: ExpressibleByStringInterpolation, Sendable {
  package private(set) var pieces: [String]
  package private(set) var values: [Value]

  package init(stringLiteral text: String) {
    pieces = [text]
    values = []
  }

  package init(stringInterpolation: StringInterpolation) {
    pieces = stringInterpolation.pieces
    values = stringInterpolation.values
  }

  /// The text with a placeholder for each value.
  ///
  /// - Parameter placeholder: makes the placeholder of a value from its number, counted from 1.
  package func text(placeholder: (Int) -> String) -> String {
    var out = pieces[0]
    for number in 1..<max(1, pieces.count) { out += placeholder(number) + pieces[number] }
    return out
  }

  package static func + (left: SQL, right: SQL) -> SQL {
    var sum = left
    sum.append(right)
    return sum
  }

  package static func += (left: inout SQL, right: SQL) { left.append(right) }

  private mutating func append(_ other: SQL) {
    pieces[pieces.count - 1] += other.pieces[0]
    pieces += other.pieces.dropFirst()
    values += other.values
  }

  /// The conjunction of conditions, for `WHERE`; true when there are none.
  package static func all(_ conditions: [SQL]) -> SQL {
    guard var sql = conditions.first else { return "1 = 1" }
    for condition in conditions.dropFirst() { sql += " AND \(condition)" }
    return sql
  }

  /// The disjunction of conditions, for `WHERE`; false when there are none.
  package static func any(_ conditions: [SQL]) -> SQL {
    guard var sql = conditions.first else { return "1 = 0" }
    for condition in conditions.dropFirst() { sql += " OR \(condition)" }
    return "(\(sql))"
  }

  /// Values in parentheses, for `IN`; must not be empty.
  package static func list(_ items: some Collection<some ValueConvertible>) -> SQL {
    var sql: SQL = "("
    for (index, item) in items.enumerated() { sql += index == 0 ? "\(item)" : ", \(item)" }
    return sql + ")"
  }

  package struct StringInterpolation: StringInterpolationProtocol {
    var pieces = [""]
    var values: [Value] = []

    package init(literalCapacity: Int, interpolationCount: Int) {
      values.reserveCapacity(interpolationCount)
    }

    package mutating func appendLiteral(_ literal: String) { pieces[pieces.count - 1] += literal }

    package mutating func appendInterpolation(_ value: (some ValueConvertible)?) {
      values.append(value?.sqlValue ?? .null)
      pieces.append("")
    }

    /// A value that is part of the text, for a statement whose plan depends on it.
    package mutating func appendInterpolation<T: RawRepresentable<String> & CaseIterable>(literal value: T) {
      appendLiteral("'\(value.rawValue)'")
    }

    /// Likewise, values in parentheses, for `IN`; must not be empty.
    package mutating func appendInterpolation<T: RawRepresentable<String> & CaseIterable>(literals values: [T]) {
      appendLiteral("(\(values.map { "'\($0.rawValue)'" }.joined(separator: ", ")))")
    }

    package mutating func appendInterpolation(_ sql: SQL) {
      pieces[pieces.count - 1] += sql.pieces[0]
      pieces += sql.pieces.dropFirst()
      values += sql.values
    }
  }
}

extension Value: ValueConvertible { package var sqlValue: Value { self } }
extension String: ValueConvertible { package var sqlValue: Value { .text(self) } }
extension Int64: ValueConvertible { package var sqlValue: Value { .integer(self) } }
extension Int: ValueConvertible { package var sqlValue: Value { .integer(Int64(self)) } }
extension Bool: ValueConvertible { package var sqlValue: Value { .integer(self ? 1 : 0) } }
extension [UInt8]: ValueConvertible { package var sqlValue: Value { .blob(self) } }
extension Instant: ValueConvertible { package var sqlValue: Value { .integer(milliseconds) } }
extension SourceID: ValueConvertible { package var sqlValue: Value { .text(rawValue) } }
extension RecordingID: ValueConvertible { package var sqlValue: Value { .text(rawValue) } }
extension Privacy: ValueConvertible { package var sqlValue: Value { .text(rawValue) } }
extension PlatformStatus: ValueConvertible { package var sqlValue: Value { .text(rawValue) } }
extension Direction: ValueConvertible { package var sqlValue: Value { .text(rawValue) } }
extension Role: ValueConvertible { package var sqlValue: Value { .text(rawValue) } }
extension Stage: ValueConvertible { package var sqlValue: Value { .text(rawValue) } }
extension ContentHash: ValueConvertible { package var sqlValue: Value { .text(rawValue) } }
extension ObjectName: ValueConvertible { package var sqlValue: Value { .text(rawValue) } }
extension Priority: ValueConvertible { package var sqlValue: Value { .integer(rawValue) } }
extension JobQueue: ValueConvertible { package var sqlValue: Value { .text(rawValue) } }
extension RunState: ValueConvertible { package var sqlValue: Value { .text(rawValue) } }
extension Step: ValueConvertible { package var sqlValue: Value { .text(rawValue) } }
extension TapedeckError.Code: ValueConvertible { package var sqlValue: Value { .text(rawValue) } }
