/// The prepared statements of a connection, by their text; at most 200, of which the least recently used is evicted.
struct StatementCache {
  struct Statement: Sendable {
    let name: String
    /// The OIDs of the types of the parameters.
    let types: [UInt32]
    let columns: [String: Int]
  }

  static let limit = 200

  private var statements: [String: [(statement: Statement, used: UInt64)]] = [:]
  private var count = 0
  private var names: UInt64 = 0
  private var clock: UInt64 = 0

  /// Whether to prepare a statement: it is likely to be repeated, and has at most 1,000 values, since libpq reports a
  /// broken connection for the description of a statement with more than 7,500.
  static func isWorthKeeping(_ text: String, values: Int) -> Bool {
    guard values <= 1000 else { return false }
    let verb = text.drop(while: \.isWhitespace).prefix { $0.isLetter }
    return ["SELECT", "WITH", "INSERT", "UPDATE", "DELETE"].contains(verb)
  }

  mutating func nextName() -> String {
    names += 1
    return "t\(names)"
  }

  /// A statement with this text whose types match the values; a null matches every type.
  mutating func statement(for text: String, _ values: [Value]) -> Statement? {
    let fitting = statements[text]?.firstIndex { entry in
      entry.statement.types.count == values.count
        && zip(entry.statement.types, values).allSatisfy { $1 == .null || $1.postgreSQLType == $0 }
    }
    guard let fitting else { return nil }
    clock += 1
    statements[text]?[fitting].used = clock
    return statements[text]?[fitting].statement
  }

  /// - Returns: the name of the evicted statement; the caller deallocates it.
  mutating func insert(_ statement: Statement, for text: String) -> String? {
    clock += 1
    count += 1
    statements[text, default: []].append((statement, clock))
    guard count > Self.limit else { return nil }
    count -= 1
    let oldest = statements.lazy
      .flatMap { text, entries in entries.map { (text, $0.statement.name, $0.used) } }
      .min { $0.2 < $1.2 }
    guard let oldest else { return nil }
    statements[oldest.0]?.removeAll { $0.statement.name == oldest.1 }
    if statements[oldest.0]?.isEmpty == true { statements[oldest.0] = nil }
    return oldest.1
  }
}
