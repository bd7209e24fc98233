/// One value as both databases hold it. Instants are `integer` in UTC milliseconds, flags 0 and 1, JSON is `text`.
///
/// A NUL in a text is stored as U+FFFD, since neither database can hold it.
package enum Value: Sendable, Hashable {
  case null
  case integer(Int64)
  case real(Double)
  case text(String)
  case blob([UInt8])
}

/// What can stand in an interpolation of `SQL`.
package protocol ValueConvertible {
  var sqlValue: Value { get }
}

/// A statement whose interpolated values are bound, never pasted: `"SELECT … WHERE id = \(id)"`.
///
/// SQLite sees `?`, PostgreSQL `$n`. A piece of SQL interpolates as SQL. A null takes its type from where it stands, as in
/// `coalesce(\(x), column)`; where nothing gives it one, PostgreSQL needs to be told: `CAST(\(x) AS TEXT) IS NULL`.
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

  /// The text with a placeholder for each value; `placeholder` is given the number from 1.
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

  /// All of the conditions, for `WHERE`; true when there are none.
  package static func all(_ conditions: [SQL]) -> SQL {
    guard var sql = conditions.first else { return "1 = 1" }
    for condition in conditions.dropFirst() { sql += " AND \(condition)" }
    return sql
  }

  /// Any of the conditions, for `WHERE`; false when there are none.
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

    package mutating func appendInterpolation(_ sql: SQL) {
      pieces[pieces.count - 1] += sql.pieces[0]
      pieces += sql.pieces.dropFirst()
      values += sql.values
    }
  }
}
