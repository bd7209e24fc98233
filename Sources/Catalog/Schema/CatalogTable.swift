import Crypto
import Model

/// A table of the catalog, for operations on all tables. A migration that adds a table must add it here.
package struct CatalogTable: Sendable {
  package let name: String
  /// The columns of its primary key.
  let key: [String]
  /// Whether the database generates the IDs of its rows.
  let isNumbered: Bool

  /// Ordered so that no row refers to a row of a later table.
  package static let all = [
    CatalogTable("recording"), CatalogTable("restricted_listing", key: ["platform_id", "source"]),
    CatalogTable("notice"), CatalogTable("agent_name", key: ["name"]), CatalogTable("object", key: ["name"]),
    CatalogTable("media_part", key: ["recording_id", "part"]), CatalogTable("object_removal", key: ["name"]),
    CatalogTable("job"),
    CatalogTable("job_part", key: ["job_id", "part"]), CatalogTable("job_step", key: ["job_id", "step"]),
    CatalogTable("quarantine"), CatalogTable("webhook_message", key: ["id"]),
    CatalogTable("account", key: ["id"]), CatalogTable("api_token", key: ["id"]),
    CatalogTable("preference", key: ["actor_id"]),
    CatalogTable("session", key: ["secret_sha256"]), CatalogTable("log_entry"),
    CatalogTable("log_detail", key: ["entry_id"]),
    CatalogTable("recurring_task", key: ["name", "source"]), CatalogTable("backfill", key: ["id"]),
    CatalogTable("coverage_day", key: ["source", "day"]),
    CatalogTable("unidentified_row", key: ["source", "day", "position"]),
    CatalogTable("edge_call", key: ["source", "platform_id"]),
    CatalogTable("request_budget", key: ["source"]),
    CatalogTable("shared_secret", key: ["name"]),
  ]

  private init(_ name: String, key: [String]? = nil) {
    self.name = name
    self.key = key ?? ["id"]
    isNumbered = key == nil
  }

  /// A name as SQL; names of tables and columns are constants that need no quoting.
  private func sql(_ name: String) -> SQL { SQL(stringLiteral: name) }
  private func list(_ names: [String]) -> SQL { sql(names.joined(separator: ", ")) }

  /// The columns that are not generated, sorted by name.
  func columns(_ db: any Connection) throws(TapedeckError) -> [String] {
    let question: SQL =
      switch db.dialect {
      case .sqlite: "SELECT name FROM pragma_table_xinfo(\(name)) WHERE hidden = 0"
      case .postgresql:
        """
        SELECT column_name AS name FROM information_schema.columns
        WHERE table_schema = current_schema() AND table_name = \(name) AND is_generated = 'NEVER'
        """
      }
    var columns: [String] = []
    for row in try db.rows(question) { columns.append(try row.text("name")) }
    return columns.sorted()
  }

  func count(_ db: any Connection) throws(TapedeckError) -> Int64 {
    try db.row("SELECT count(*) AS count FROM \(sql(name))")?.int("count") ?? 0
  }

  /// Reads all rows in batches, in the order of their keys.
  func forEachBatch(
    of size: Int, columns: [String], _ db: any Connection, _ body: ([[Value]]) throws(TapedeckError) -> Void
  ) throws(TapedeckError) {
    var condition: SQL = "1 = 1"
    while true {
      let rows = try db.rows(
        "SELECT \(list(columns)) FROM \(sql(name)) WHERE \(condition) ORDER BY \(list(key)) LIMIT \(size)")
      guard let last = rows.last else { return }
      try body(rows.map { row in columns.map { row[$0] } })
      if rows.count < size { return }
      condition = "(\(list(key))) > \(SQL.list(key.map { last[$0] }))"
    }
  }

  func insert(_ rows: [[Value]], columns: [String], _ db: any Connection) throws(TapedeckError) {
    var statement: SQL = "INSERT INTO \(sql(name)) (\(list(columns))) VALUES "
    for (index, row) in rows.enumerated() { statement += index == 0 ? SQL.list(row) : ", " + SQL.list(row) }
    try db.execute(statement)
  }

  /// Sets the next generated ID to follow the greatest one; SQLite does so by itself.
  func resumeNumbering(_ db: any Connection) throws(TapedeckError) {
    guard isNumbered, db.dialect == .postgresql else { return }
    _ = try db.rows(
      "SELECT setval(pg_get_serial_sequence(\(name), 'id'), max(id)) AS last FROM \(sql(name)) HAVING max(id) IS NOT NULL"
    )
  }
}

/// A digest of the rows of a table that depends neither on their order nor on the database.
struct TableContent: Sendable, Equatable {
  private(set) var rows: Int64 = 0
  /// The exclusive or of the SHA-256 of all rows. Rows differ, since each contains its key.
  private var checksum = [UInt8](repeating: 0, count: 32)

  init() {}

  mutating func add(_ batch: [[Value]]) {
    for row in batch {
      var hash = SHA256()
      for value in row { Self.add(value, to: &hash) }
      for (index, byte) in hash.finalize().enumerated() { checksum[index] ^= byte }
    }
    rows += Int64(batch.count)
  }

  /// Type, length and bytes, so that different rows never have the same encoding.
  private static func add(_ value: Value, to hash: inout SHA256) {
    func add(_ kind: UInt8, _ bytes: some Collection<UInt8>) {
      hash.update(data: [kind])
      withUnsafeBytes(of: UInt64(bytes.count).bigEndian) { hash.update(bufferPointer: $0) }
      hash.update(data: Array(bytes))
    }
    switch value {
    case .null: add(0, [])
    case .integer(let number): withUnsafeBytes(of: number.bigEndian) { add(1, $0) }
    case .real(let number): withUnsafeBytes(of: number.bitPattern.bigEndian) { add(2, $0) }
    case .text(let text): add(3, text.utf8)
    case .blob(let bytes): add(4, bytes)
    }
  }
}
