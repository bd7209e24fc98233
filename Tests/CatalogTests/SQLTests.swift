import Catalog
import Testing

@Suite struct SQLTests {
  @Test func `placeholders have the form of the dialect`() {
    let part: SQL = "b = \(2) AND c = \("x")"
    let sql: SQL = "SELECT a WHERE a = \(1) AND \(part) OR d IN \(.list([3, 4]))"
    #expect(sql.text { "$\($0)" } == "SELECT a WHERE a = $1 AND b = $2 AND c = $3 OR d IN ($4, $5)")
    #expect(sql.text { _ in "?" } == "SELECT a WHERE a = ? AND b = ? AND c = ? OR d IN (?, ?)")
    #expect(sql.values == [.integer(1), .integer(2), .text("x"), .integer(3), .integer(4)])
  }

  @Test func `joined statements keep the order of values`() {
    var sql: SQL = "\(1)"
    sql += " AND \(2)"
    sql = "(" + sql + ")"
    #expect(sql.text { "$\($0)" } == "($1 AND $2)")
    #expect(sql.values == [.integer(1), .integer(2)])
    #expect(("SELECT 1" as SQL).text { _ in "?" } == "SELECT 1")
    #expect(("" as SQL).text { _ in "?" } == "")
  }
}
