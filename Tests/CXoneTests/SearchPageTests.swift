import CXone
import Model
import TestKit
import Testing

/// One row that differs from what is expected, between two good ones.
@Suite(.timeLimit(.minutes(1))) struct SearchPageTests {
  private let query = RecordingQuery(
    start: Instant(iso8601: "2026-01-15T00:00:00Z")!, end: Instant(iso8601: "2026-01-16T00:00:00Z")!)

  private func page(_ body: [UInt8]) async throws -> SearchPage {
    try await Tenant.run { _, _ in
      .chunked(200, pieces: body.isEmpty ? [] : [body])
    } _: { tenant in
      try await tenant.source.search(query, cursor: nil, pageSize: 500)
    }
  }

  /// The row between two good rows.
  private func between(_ row: [UInt8]) async throws -> SearchPage {
    let page = try await page(
      Array(#"{"recordings":[{"id":"first"},"#.utf8) + row + Array(#",{"id":"last"}],"nextCursor":"n"}"#.utf8))
    #expect(page.nextCursor == "n" && page.rowCount == 3)
    #expect(page.recordings.first?.id.rawValue == "first" && page.recordings.last?.id.rawValue == "last")
    return page
  }

  private static let badValues: [[UInt8]] = [
    Array("\"caf".utf8) + [0xE9] + Array("\"".utf8), Array(#""\ud83d""#.utf8), Array(#""\udc00x""#.utf8),
    Array("\"a\nb\tc\"".utf8), [0x22, 0xED, 0xA0, 0x80, 0x22], Array("NaN".utf8), Array("-Infinity".utf8),
    Array("1e400".utf8), Array(repeating: UInt8(ascii: "7"), count: 100_000),
    Array(repeating: UInt8(ascii: "["), count: 5000) + Array(repeating: UInt8(ascii: "]"), count: 5000),
    Array("True".utf8), Array("01".utf8), Array("+5".utf8), Array("'x'".utf8),
  ]

  @Test(arguments: badValues)
  func `a field that strict JSON refuses does not affect its row`(value: [UInt8]) async throws {
    let page = try await between(
      Array(#"{"id":"odd","agentName":"#.utf8) + value + Array(#","status":"available","privacy":"standard"}"#.utf8))
    #expect(page.unidentified.isEmpty)
    let odd = try #require(page.recordings.dropFirst().first)
    #expect(odd.id.rawValue == "odd" && odd.status == .available && odd.privacy == .standard)
  }

  @Test(arguments: badValues.filter { !$0.allSatisfy { $0 == UInt8(ascii: "7") } })
  func `an id that strict JSON refuses affects one row, which is reported with its position`(value: [UInt8])
    async throws
  {
    let page = try await between(Array(#"{"agentName":"x","id":"#.utf8) + value + Array("}".utf8))
    #expect(page.recordings.count == 2)
    #expect(page.unidentified.map(\.position) == [2])
    #expect(page.unidentified.allSatisfy { $0.reason.hasSuffix(".") })
  }

  @Test(arguments: badValues)
  func `a privacy that cannot be read is restricted`(value: [UInt8]) async throws {
    let page = try await between(Array(#"{"id":"odd","privacy":"#.utf8) + value + Array("}".utf8))
    #expect(page.recordings.dropFirst().first?.privacy == .restricted)
  }

  @Test(arguments: [
    "7", "null", #""text""#, "[]", "{}", #"{"id":null}"#, #"{"id":1.5}"#, #"{"id":1e3}"#, #"{"id":true}"#,
    #"{"id":[1]}"#, #"{"id":"a\u0000b"}"#, #"{"id":"a","id":"b"}"#, #"{"id":"."}"#,
    #"{"id":"\#(String(repeating: "x", count: 501))"}"#, "garbage", "",
  ])
  func `a row that names no recording is set aside`(row: String) async throws {
    let page = try await between(Array(row.utf8))
    #expect(page.recordings.count == 2 && page.unidentified.map(\.position) == [2])
  }

  @Test(arguments: [
    (#""Größe-1""#, "Größe-1"), (#""\u901a\u8a71""#, "通話"), (#""\ud83c\udfa7""#, "🎧"), ("0", "0"), ("-7", "-7"),
    ("18446744073709551615", "18446744073709551615"), ("18446744073709551616", "18446744073709551616"),
    ("123456789012345678901234567890", "123456789012345678901234567890"),
  ])
  func `an id is text of any script or a whole number of any size`(value: String, id: String) async throws {
    let page = try await between(Array(#"{"id":\#(value)}"#.utf8))
    let recording = try #require(page.recordings.dropFirst().first)
    #expect(recording.id.rawValue == id && page.unidentified.isEmpty)
    if value.utf8.count > 20, value.first != "\"" { #expect(recording.json == #"{"id":\#(value)}"#) }
  }

  @Test(arguments: [
    #""restricted","privacy":"standard""#, #""standard","privacy":"restricted""#, #""standard","privacy":7"#,
    #"null,"privacy":"secret""#, #""standard","privacy":"standard","privacy":NaN"#,
  ])
  func `the stricter of several privacy values counts`(values: String) async throws {
    let page = try await between(Array(#"{"id":"odd","privacy":\#(values)}"#.utf8))
    #expect(page.recordings.dropFirst().first?.privacy == .restricted)
  }

  /// Rows whose text is not closed or not escaped, each with the id that can still be read.
  private static let brokenRows: [(row: String, id: String?)] = [
    (#"{"id":"odd","agentName":"Jo}"#, "odd"), (#"{"id":"odd","agentName":"Jo,"status":"available"}"#, "odd"),
    (#"{"id":"odd","agentName":Jo","status":"available"}"#, "odd"), (#"{"id":"odd","agentName":"5" pipe"}"#, "odd"),
    (#"{"id":"odd","agentName":"Jo\"}"#, "odd"), (#"{"id":"odd","tags":["a","b}"#, "odd"),
    (#"{"id":"odd","tags":["a","b"}"#, "odd"), (#"{"id":"odd","agent":{"name":"Jo"}"#, "odd"),
    (#"{"id":"odd","tags":"a]}"#, "odd"), (#"{"id":"odd,"status":"available"}"#, nil),
    (#"{"agentName":"Jo,"id":"odd"}"#, nil), (#"{"id":"odd"#, nil), (#"{"id":"odd}"#, nil),
  ]

  @Test(arguments: brokenRows)
  func `a text or bracket that is not closed costs one row at most`(row: String, id: String?) async throws {
    let page = try await between(Array(row.utf8))
    if let id {
      #expect(page.recordings.map(\.id.rawValue) == ["first", id, "last"] && page.unidentified.isEmpty)
      // The privacy may be in the part that cannot be read.
      #expect(page.recordings.dropFirst().first?.privacy == .restricted)
    } else {
      #expect(page.recordings.count == 2 && page.unidentified.map(\.position) == [2])
    }
  }

  @Test(arguments: brokenRows, [true, false])
  func `a broken row at either end of the list costs no other row`(
    broken: (row: String, id: String?), isLast: Bool
  ) async throws {
    let rows = [#"{"id":"a","tags":[{"x":1},{"x":2}]}"#, #"{"id":"b"}"#]
    let list = (isLast ? rows + [broken.row] : [broken.row] + rows).joined(separator: ", ")
    let page = try await page(Array(#"{"total":3,"recordings":[\#(list)],"nextCursor":"n","warnings":[]}"#.utf8))
    #expect(page.nextCursor == "n" && page.rowCount == 3)
    #expect(page.recordings.map(\.id.rawValue).filter { $0 != broken.id } == ["a", "b"])
    #expect(page.unidentified.map(\.position) == (broken.id == nil ? [isLast ? 3 : 1] : []))
  }

  @Test func `several broken rows, also with an even number of quotes, cost only themselves`() async throws {
    let rows = (0..<40).map { $0 % 3 == 1 ? #"{"id":"row-\#($0)","agentName":"Jo}"# : #"{"id":"row-\#($0)"}"# }
    let page = try await page(Array(#"{"recordings":[\#(rows.joined(separator: ",\n"))],"nextCursor":null}"#.utf8))
    #expect(page.recordings.map(\.id.rawValue) == (0..<40).map { "row-\($0)" })
    #expect(page.nextCursor == nil && page.unidentified.isEmpty)
  }

  @Test(arguments: [
    #"{"recordings":[{"id":"a"},{"id":"b","x":"Jo}"#, #"{"recordings":[{"id":"a","x":"Jo}],"nextCursor":"c}"#,
    #"{"recordings":[{"id":"a"}"#, #"{"recordings":[{"id":"a","x":"Jo}],"nextCursor":7.5x}"#,
    #"{"note":"Jo,"recordings":[{"id":"a"}]}"#,
  ])
  func `a page whose list or next page cannot be found is an error`(body: String) async throws {
    #expect(await failure { _ = try await page(Array(body.utf8)) }?.code == .platformProtocol)
  }

  @Test func `a comma after the last row or field adds nothing`() async throws {
    let page = try await page(Array(#"{"recordings":[{"id":"a","privacy":"standard",},{"id":"b"},],}"#.utf8))
    #expect(page.recordings.map(\.id.rawValue) == ["a", "b"] && page.unidentified.isEmpty)
    #expect(page.recordings.first?.privacy == .standard)
  }

  @Test(arguments: [#","agent":{"name":"Jo"}"#, #","agentName":"Jo}"#, #","tags":["x"}"#, #","agentName":"Jo""#])
  func `a page of only broken rows is read`(rest: String) async throws {
    let rows = (0..<900).map { #"{"id":"\#($0)"\#(rest)"# }
    let page = try await page(Array(#"{"recordings":[\#(rows.joined(separator: ","))],"nextCursor":null}"#.utf8))
    #expect(page.recordings.map(\.id.rawValue) == (0..<900).map { "\($0)" } && page.unidentified.isEmpty)
  }

  @Test(arguments: [
    "", " \r\n", "{}", #"{"recordings":null}"#, #"{"recordings":{}}"#, #"{"recordings":[]}"#, #"{"recordings": [ ] }"#,
    #"{"nextCursor":null}"#, #"{"total":0,"errors":[]}"#, "\u{FEFF}{\"recordings\":[]}",
  ])
  func `an empty list has several forms`(body: String) async throws {
    #expect(try await page(Array(body.utf8)) == SearchPage(recordings: [], nextCursor: nil))
  }

  @Test(
    arguments: [
      (#""2026-01-15T10:00:00Z""#, "2026-01-15T10:00:00Z"), (#""2026-01-15t10:00:00z""#, "2026-01-15T10:00:00Z"),
      (#""2026-01-14T24:00:00Z""#, "2026-01-15T00:00:00Z"), (#""2026-01-15T12:00:00+0200""#, "2026-01-15T10:00:00Z"),
      ("1768471200", "2026-01-15T10:00:00Z"), ("1768471200000", "2026-01-15T10:00:00Z"),
      (#""1768471200""#, "2026-01-15T10:00:00Z"), ("1768471200.0", "2026-01-15T10:00:00Z"),
      (#""2026-01-15T10:00:00""#, nil), (#""2026-01-15T24:00:01Z""#, nil), (#""yesterday""#, nil), ("5", nil),
      ("true", nil), ("null", nil),
    ] as [(String, String?)])
  func `a start is read in several forms, and its row is kept in all`(value: String, moment: String?) async throws {
    let page = try await between(Array(#"{"id":"odd","startTime":\#(value)}"#.utf8))
    let recording = try #require(page.recordings.dropFirst().first)
    #expect(recording.id.rawValue == "odd" && recording.startTime?.iso8601 == moment)
  }

  @Test func `the rows of a page are bounded`() async throws {
    let rows = { (count: Int) in
      Array((#"{"recordings":["# + (0..<count).map { #"{"id":"\#($0)"}"# }.joined(separator: ",") + "]}").utf8)
    }
    #expect(try await page(rows(1000)).recordings.count == 1000)
    for count in [1001, 5000, 200_000] {
      #expect(await failure { _ = try await page(rows(count)) }?.code == .platformProtocol)
    }
  }
}
