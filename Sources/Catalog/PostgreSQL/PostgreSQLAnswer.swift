import CPostgres

/// The result of one statement.
struct PostgreSQLAnswer {
  var rows: [Row] = []
  /// The number of rows inserted, updated, deleted or returned.
  var changed = 0

  /// Decodes a result in binary format and frees it.
  init(taking answer: OpaquePointer, columns: [String: Int]? = nil) throws(PostgreSQLFailure) {
    defer { PQclear(answer) }
    changed = PQcmdTuples(answer).flatMap { Int(String(cString: $0)) } ?? 0
    let columns = columns ?? Self.columns(of: answer)
    let types = (0..<PQnfields(answer)).map { PQftype(answer, $0) }
    rows.reserveCapacity(Int(PQntuples(answer)))
    for row in 0..<PQntuples(answer) {
      var values: [Value] = []
      values.reserveCapacity(types.count)
      for (column, type) in types.enumerated() {
        values.append(try Self.value(in: answer, row, Int32(column), type))
      }
      rows.append(Row(columns: columns, values: values))
    }
  }

  /// The index of each column by its name.
  static func columns(of answer: OpaquePointer) -> [String: Int] {
    var columns: [String: Int] = [:]
    for column in 0..<PQnfields(answer) { columns[String(cString: PQfname(answer, column))] = Int(column) }
    return columns
  }

  private static func value(
    in answer: OpaquePointer, _ row: Int32, _ column: Int32, _ type: UInt32
  ) throws(PostgreSQLFailure) -> Value {
    guard PQgetisnull(answer, row, column) == 0, let start = PQgetvalue(answer, row, column) else { return .null }
    let bytes = UnsafeRawBufferPointer(start: start, count: Int(PQgetlength(answer, row, column)))
    switch (type, bytes.count) {
    case (PostgreSQLType.int8, 8): return .integer(Int64(bigEndian: bytes.loadUnaligned(as: Int64.self)))
    case (PostgreSQLType.int4, 4): return .integer(Int64(Int32(bigEndian: bytes.loadUnaligned(as: Int32.self))))
    case (PostgreSQLType.int2, 2): return .integer(Int64(Int16(bigEndian: bytes.loadUnaligned(as: Int16.self))))
    case (PostgreSQLType.oid, 4): return .integer(Int64(UInt32(bigEndian: bytes.loadUnaligned(as: UInt32.self))))
    case (PostgreSQLType.bool, 1): return .integer(bytes[0] == 0 ? 0 : 1)
    case (PostgreSQLType.float8, 8):
      return .real(Double(bitPattern: UInt64(bigEndian: bytes.loadUnaligned(as: UInt64.self))))
    case (PostgreSQLType.float4, 4):
      return .real(Double(Float(bitPattern: UInt32(bigEndian: bytes.loadUnaligned(as: UInt32.self)))))
    case (PostgreSQLType.text, _), (PostgreSQLType.varchar, _), (PostgreSQLType.bpchar, _), (PostgreSQLType.name, _),
      (PostgreSQLType.char, _), (PostgreSQLType.unknown, _):
      return .text(String(decoding: bytes, as: UTF8.self))
    case (PostgreSQLType.bytea, _): return .blob([UInt8](bytes))
    case (PostgreSQLType.void, _): return .null
    default:
      let name = PQfname(answer, column).map { String(cString: $0) } ?? ""
      throw PostgreSQLFailure(message: "column '\(name)' has the unsupported type \(type); cast it")
    }
  }
}
