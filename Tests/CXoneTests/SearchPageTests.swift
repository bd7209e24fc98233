import CXone
import Foundation
import Model
import TestKit
import Testing

/// One row that differs from what is expected, between two good ones.
@Suite(.timeLimit(.minutes(1))) struct SearchPageTests {
  private let query = RecordingQuery(
    start: Instant(iso8601: "2026-01-15T00:00:00Z")!, end: Instant(iso8601: "2026-01-16T00:00:00Z")!)

  private func page(_ body: [UInt8]) async throws -> ListPage {
    try await Tenant.run { _, _ in
      .chunked(200, pieces: body.isEmpty ? [] : [body])
    } _: { tenant in
      try await tenant.source.search(query, cursor: nil, pageSize: 500)
    }
  }

  /// The row between two good rows.
  private func between(_ row: [UInt8]) async throws -> ListPage {
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
  func `a row without a usable ID is set aside`(row: String) async throws {
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

  /// Rows whose text is not closed or not escaped, each with the ID that can still be read.
  private static let brokenRows: [(row: String, id: String?)] = [
    (#"{"id":"odd","agentName":"Jo}"#, "odd"), (#"{"id":"odd","agentName":"Jo,"status":"available"}"#, "odd"),
    (#"{"id":"odd","agentName":Jo","status":"available"}"#, "odd"), (#"{"id":"odd","agentName":"5" pipe"}"#, "odd"),
    (#"{"id":"odd","agentName":"Jo\"}"#, "odd"), (#"{"id":"odd","tags":["a","b}"#, "odd"),
    (#"{"id":"odd","tags":["a","b"}"#, "odd"), (#"{"id":"odd","agent":{"name":"Jo"}"#, "odd"),
    (#"{"id":"odd","tags":"a]}"#, "odd"), (#"{"id":"odd,"status":"available"}"#, nil),
    (#"{"agentName":"Jo,"id":"odd"}"#, nil), (#"{"id":"odd"#, nil), (#"{"id":"odd}"#, nil),
    (#"{"id":"odd","privacy":"standard","agentName":"Jo}"#, "odd"),
    // Lists of objects within the row.
    (#"{"id":"odd","agentName":"Jo,"tags":[{"x":1},{"x":2},{"x":3}]}"#, "odd"),
    (#"{"id":"odd","agentName":"Jo,"tags":[{"id":1},{"id":2},{"id":3}],"status":"available"}"#, "odd"),
    (#"{"id":"odd","tags":[{"x":1},{"x":2}"#, "odd"), (#"{"id":"odd","tags":[{"x":1},{"x":2}}"#, "odd"),
    (#"{"id":"odd","tags":[{"x":1},{"x":2},{"x":"Jo"#, "odd"), (#"{"id":"odd","tags":[{"x":1},{"x":2},"y":3}"#, "odd"),
    (#"{"id":"odd","tags":[{"id":1,"x":1},{"id":2,"x":2}"#, "odd"),
    (#"{"id":"odd","tags":[{"x":"Jo},{"x":"Al},{"x":"Al"}],"status":"available"}"#, "odd"),
    (#"{"id":"odd","tags":[{"id":"Jo},{"id":"Al"}],"status":"available"}"#, "odd"),
    (#"{"id":"odd","x":"Jo,"a":[{"x":[{"y":1},{"y":2}]},{"x":[{"y":1},{"y":2}]}],"b":[{"z":1},{"z":2}]}"#, "odd"),
    (#"{"id":"odd"},"tags":[{"x":1},{"x":2}],"status":"available"}"#, nil),
    (#"{"id":"odd","status":"available"},"tags":[{"x":1},{"x":2}]}"#, "odd"),
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

  /// With the number of rows in which a page may be broken in this way: a list that is not closed is read to the end of
  /// the page, which is limited.
  @Test(arguments: [
    (#""agentName":"Jo,"tags":[{"x":1},{"x":2}]}"#, 100), (#""tags":[{"x":"Jo},{"x":2}],"agentName":"Al"}"#, 100),
    (#""tags":[{"x":1},{"x":2}}"#, 100), (#""agentName":"5" pipe","tags":[{"x":1},{"x":2}]}"#, 100),
    (#""tags":[{"x":1},{"x":2}"#, 2), (#""agentName":"Jo","tags":[{"x":1,"y":[{"z":1},{"z":2}]},{"x":2,"y":[]}"#, 2),
  ])
  func `broken rows with lists of objects cost one row each, whatever is beside them`(
    rest: String, maxCount: Int
  ) async throws {
    let good = #"{"id":"good","status":"available","privacy":"standard","tags":[{"x":1},{"x":2}]}"#
    let broken = #"{"id":"odd","status":"available","privacy":"standard",\#(rest)"#
    for pattern in [[broken], [broken, good], [good, broken], [broken, broken, good], [good, broken, broken, good]] {
      for count in [1, maxCount] {
        let rows = Array(repeating: pattern, count: count).flatMap(\.self)
        let page = try await page(Array(#"{"recordings":[\#(rows.joined(separator: ","))],"total":7}"#.utf8))
        #expect(page.recordings.map(\.id.rawValue) == rows.map { $0 == good ? "good" : "odd" })
        #expect(page.recordings.allSatisfy { $0.privacy == ($0.id.rawValue == "good" ? .standard : .restricted) })
      }
    }
  }

  @Test(arguments: [
    #""agentName":"Jo}"#, #""agentName":"5" pipe"}"#, #""tags":["a"}"#, #"'privacy':"restricted"}"#,
    #"privacy:"restricted"}"#, "\"priv\u{0}acy\":\"restricted\"}",
  ])
  func `a row that cannot be read completely is restricted, whatever it says before`(rest: String) async throws {
    let page = try await between(Array(#"{"id":"odd","privacy":"standard",\#(rest)"#.utf8))
    #expect(page.recordings.dropFirst().first?.privacy == .restricted)
  }

  /// Members after `"id":"odd",` in which a restricted privacy is not found as a field of its own.
  static let hiddenPrivacy: [[UInt8]] =
    [
      #""x":1 "privacy":"restricted""#, #""x":{} "privacy":"restricted""#, #""x":[1] "privacy":"restricted""#,
      #""x":null "privacy":"restricted""#, #""x":"1" "privacy":"restricted""#, #""x":[1,"privacy":"restricted"]"#,
      #""x":{"a":1 "privacy":"restricted"}"#, #"{} "privacy":"restricted""#, #"[1] "privacy":"restricted""#,
      #"/*c*/"privacy":"restricted""#, "\"x\":1 // \"privacy\":\"restricted\"\n", "\u{A0}\"privacy\":\"restricted\"",
      "\"privacy\"\u{A0}:\"restricted\"", "\u{0}\"privacy\":\"restricted\"", "\"pri\u{0}vacy\":\"restricted\"",
      "\"privacy\u{1}\":\"restricted\"", "\"\tprivacy\":\"restricted\"", #""privacy\ud800":"restricted""#,
      #"privacy:"restricted""#, #"'privacy':"restricted""#, #"'privacy':'restricted'"#, #""privacy"="restricted""#,
      #""privacy" "restricted""#, #""x":1;"privacy":"restricted""#, #"1:2,"privacy":"restricted""#,
      #""privacy":"#, #","privacy":"restricted""#, #""x":'a "privacy":"restricted"'"#,
      #""x":True privacy=restricted"#, #""privacy":"standard" "restricted""#,
    ].map { Array($0.utf8) } + [Array("\"privacy".utf8) + [0xFF] + Array("\":\"restricted\"".utf8)]

  @Test(arguments: hiddenPrivacy)
  func `a row is restricted when a part of it is not JSON`(rest: [UInt8]) async throws {
    for before in [#"{"id":"odd","#, #"{"id":"odd","status":"available","agentName":NaN,"#] {
      let page = try await between(Array(before.utf8) + rest + Array("}".utf8))
      let odd = try #require(page.recordings.dropFirst().first)
      #expect(odd.id.rawValue == "odd" && odd.privacy == .restricted)
    }
  }

  @Test(arguments: [
    #"'privacy':"restricted""#, "/*c*/", #"privacy="restricted""#, "\u{A0}\"privacy\":\"restricted\"",
  ])
  func `a row is restricted when text that is not JSON follows it`(text: String) async throws {
    let page = try await page(Array(#"{"recordings":[{"id":"a"},\#(text),{"id":"b"}]}"#.utf8))
    #expect(page.recordings.map(\.privacy) == [.restricted, .standard])
  }

  @Test(arguments: [
    #""Privacy":"restricted""#, #""PRIVACY":"restricted""#, #""privacy ":"restricted""#, #"" privacy":"restricted""#,
    "\"\u{200B}privacy\":\"restricted\"", #""privacy\u0000":"restricted""#, #""privacy":"standard","Privacy":"secret""#,
    #""Privacy":"restricted","privacy":"standard""#, #""privacy":null,"privacy\t":7"#, #""priv\u0061cy":"restricted""#,
  ])
  func `another spelling of the name of the privacy counts`(member: String) async throws {
    let page = try await between(Array(#"{"id":"odd",\#(member)}"#.utf8))
    #expect(page.recordings.dropFirst().first?.privacy == .restricted)
  }

  @Test(arguments: [
    #""Privacy":"standard""#, #""privacy":"standard","PRIVACY":null"#, #""privacyNote":"restricted""#,
    #""privacy2":"restricted""#, #""tags":[NaN,{"x":'y'},["\q"]]"#, #""private":true"#, #""приватность":"x""#,
    #""call":{"privacy":"standard","tags":["privacy",{"x":1}]}"#, #""call":{"privacy":null}"#, #""p-r":1,"priv":2"#,
    "\"x\" : 01 ,\r\n\t\"y\":[ ]",
  ])
  func `other fields and values that cannot be read leave a row standard`(members: String) async throws {
    let page = try await between(Array(#"{"id":"odd",\#(members),"agentName":NaN}"#.utf8))
    #expect(page.recordings.dropFirst().first?.privacy == .standard)
  }

  @Test(arguments: [
    // Full-width, Cyrillic, Greek and small capital letters, accents, digits and separators.
    "ｐｒｉｖａｃｙ", "рrivacy", "privаcy", "рrіvаcу", "ρrivacy", "priνacy", "ᴘʀɪᴠᴀᴄʏ", "prívacy", "priva\u{327}cy", "PRİVACY",
    "pr1vacy", "prlvacy", "pri_vacy", "pri-vacy", "_privacy", "privacy.", "Ｐrivacy", "𝐩𝐫𝐢𝐯𝐚𝐜𝐲", "ⓟrivacy",
  ])
  func `a row with a name that looks like the privacy is restricted, whatever it says`(name: String) async throws {
    for value in [#""standard""#, "null", "false", #""restricted""#, "NaN"] {
      for rest in ["", #","privacy":"standard""#] {
        let page = try await between(Array(#"{"id":"odd","\#(name)":\#(value)\#(rest)}"#.utf8))
        #expect(page.recordings.dropFirst().first?.privacy == .restricted, "\(value)\(rest)")
      }
    }
  }

  @Test(arguments: [
    #""call":{"privacy":"restricted"}"#, #""call":{"x":[{"y":{"Privacy":"secret"}}]}"#, #""tags":[{"privacy":7}]"#,
    #""privacy":{"level":"standard"}"#, #""call":{"privacy":{"level":"standard"}}"#, #""call":{"рrivacy":"standard"}"#,
    #""tags":[{"privacy":"restricted"},]"#, #""call":{"x":NaN,"PRIVACY":"restricted"}"#,
    #""call":{"x":NaN,"pri\u0076acy":"restricted"}"#,
  ])
  func `a privacy inside another field makes a row restricted`(member: String) async throws {
    for rest in ["", #","privacy":"standard""#, #","agentName":NaN"#] {
      let page = try await between(Array(#"{"id":"odd",\#(member)\#(rest)}"#.utf8))
      #expect(page.recordings.dropFirst().first?.privacy == .restricted, "\(rest)")
    }
  }

  @Test func `a token in a row is redacted, and the other fields stay`() async throws {
    Redactor.shared.renew("search page test", "page-canary-7/é")
    let row = #"""
      {"id":"odd","agentName":"Jo page-canary-7/é","contactId":"page-canary-7%2F%C3%A9","duration":12345678901234567890,
      "page-canary-7/é":[{"x":"a tdk_canary12345 b"}],"skillName":"100% sure"}
      """#
    let recording = try #require(try await between(Array(row.utf8)).recordings.dropFirst().first)
    #expect(!recording.json.contains("canary") && recording.json.contains("12345678901234567890"))
    #expect(recording.agentName == "Jo [redacted]" && recording.contactID == "[redacted]")
    #expect(recording.skillName == "100% sure")
    #expect(try JSONSerialization.jsonObject(with: Data(recording.json.utf8)) is [String: Any])
  }

  @Test func `rows of equal text without an id have equal fingerprints, and their start time is read`() async throws {
    let rows = [
      #"{"startTime":"2026-01-15T10:00:00Z"}"#, #"{"startTime":"2026-01-15T10:00:00Z"}"#, #"{"startTime":"x"}"#, "null",
    ]
    let found = try await page(Array(#"{"recordings":[\#(rows.joined(separator: ","))]}"#.utf8)).unidentified
    let fingerprints = found.map(\.fingerprint)
    #expect(Set(fingerprints).count == 3 && fingerprints.first == fingerprints.dropFirst().first)
    #expect(found.map { $0.startTime?.iso8601 } == ["2026-01-15T10:00:00Z", "2026-01-15T10:00:00Z", nil, nil])
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
    let page = try await page(Array(body.utf8))
    #expect(page.rowCount == 0 && page.nextCursor == nil)
  }

  private func problem(with reply: ScriptedServer.Reply) async throws -> TapedeckError? {
    try await Tenant.run { _, _ in
      reply
    } _: { tenant in
      await failure { _ = try await tenant.source.search(query, cursor: nil, pageSize: 500) }
    }
  }

  @Test(arguments: [201, 202, 203, 205, 206, 207, 299], ["", #"{"recordings":[]}"#, #"{"recordings":[{"id":"a"}]}"#])
  func `only the statuses 200 and 204 answer a search`(status: Int, body: String) async throws {
    // The client reads no body after a 205.
    let error = try await problem(with: .json(status == 205 ? "" : body, status: status))
    #expect(error?.code == (status == 202 ? .platformUnavailable : .platformProtocol))
  }

  @Test(arguments: [
    ScriptedServer.Reply([.send(Array("HTTP/1.1 200 OK\r\n\r\n".utf8)), .close]),
    ScriptedServer.Reply([.send(Array("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n".utf8)), .close]),
    ScriptedServer.Reply([.send(Array("HTTP/1.1 200 OK\r\n\r\n \r\n".utf8)), .close]),
    .response(200, ["Content-Type": "text/html"]), .response(200, ["Content-Type": "text/plain"], body: [0x20]),
    .chunked(200, ["Content-Type": "text/html; charset=utf-8"], pieces: []),
  ])
  func `an empty body proves an empty list only with its length and as JSON`(reply: ScriptedServer.Reply) async throws {
    #expect(try await problem(with: reply)?.code == .platformProtocol)
  }

  @Test(
    arguments: [
      .response(200), .response(200, ["Content-Type": "application/json; charset=utf-8"]),
      .response(200, ["Content-Type": "application/vnd.api+json"]), .chunked(200, pieces: []),
    ] as [ScriptedServer.Reply])
  func `an empty body with its length is an empty list`(reply: ScriptedServer.Reply) async throws {
    #expect(try await problem(with: reply) == nil)
  }

  @Test func `recordings are located between the rows that name none`() async throws {
    let page = try await page(Array(#"{"recordings":[7,{"id":"a"},null,{"id":"b"},{"id":"c"},{}]}"#.utf8))
    #expect(page.located.map { "\($0.position) \($0.recording.id)" } == ["2 a", "4 b", "5 c"])
    #expect(ListPage(recordings: [], nextCursor: nil).located.isEmpty)
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

  @Test func `a row of many unreadable fields takes linear time`() async throws {
    let fields = (0..<100_000).map { #","member\#($0)":NaN"# }.joined()
    let page = try await between(Array(#"{"id":"odd"\#(fields)}"#.utf8))
    #expect(page.recordings.count == 3)
  }
}
