import CXone
import Foundation
import Model
import TestKit
import Testing

/// What a page has beside its list: members at any depth, and headers.
@Suite(.timeLimit(.minutes(1))) struct PageNotesTests {
  private let query = RecordingQuery(
    start: Instant(iso8601: "2026-01-15T00:00:00Z")!, end: Instant(iso8601: "2026-01-16T00:00:00Z")!)
  private static let rows = ["", #"{"id":"a"}"#]

  private func page(
    _ body: String, _ headers: [String: String] = [:], cursor: String? = nil
  ) async throws -> SearchPage {
    let headers = headers.merging(["Content-Type": "application/json"]) { first, _ in first }
    return try await Tenant.run { _, _ in
      .response(200, headers, body: Array(body.utf8))
    } _: { tenant in
      try await tenant.source.search(query, cursor: cursor, pageSize: 500)
    }
  }

  private func problem(
    _ body: String, _ headers: [String: String] = [:], cursor: String? = nil
  ) async throws -> TapedeckError.Code? {
    await failure { _ = try await page(body, headers, cursor: cursor) }?.code
  }

  @Test(
    arguments: [
      #""error":"timeout: result truncated""#, #""errors":[{"code":5}]"#, #""Error":true"#, #""exception":"x""#,
      #""has_errors":1"#, #""fault":{"faultstring":"x"}"#, #""timed_out":true"#, #""error":" ""#, #""haserror":"true""#,
      #""success":false"#, #""ok":false"#, #""isSuccess":"false""#, #""ok":0"#, #""meta":{"success":false}"#,
      #""status":"error""#, #""status":"FAILED""#, #""searchStatus":"TimedOut""#, #""status":{"code":500}"#,
      #""code":500"#, #""code":"503""#, #""httpStatus":404"#, #""code":"TIMEOUT""#, #""code":"ACCESS_DENIED""#,
      #""meta":{"error":"x"}"#, #""meta":{"errors":[{"code":1}]}"#, #""a":{"b":[{"c":{"errorMessage":"x"}}]}"#,
      #""failedShards":3"#, #""_shards":{"failed":1}"#, #""partialFailure":true"#, #""timeout":true"#,
      #""message":"backend 3 timed out""#, #""warnings":["2 shards failed"]"#, #""noError":false"#, #""error":NaN"#,
    ], rows)
  func `a failure beside a list is an error, with or without rows`(member: String, row: String) async throws {
    for cursor in ["null", #""n""#] {
      let body = #"{"recordings":[\#(row)],\#(member),"nextCursor":\#(cursor)}"#
      #expect(try await problem(body) == .platformProtocol)
    }
  }

  @Test(arguments: [
    #""message":"maintenance""#, #""Messages":["x"]"#, #""warnings":["slow"]"#, #""detail":"x""#,
    #""message":"Completed without any errors""#, #""message":"0 records failed""#,
  ])
  func `a message beside an empty list is an error, and beside rows it is not`(member: String) async throws {
    #expect(try await problem(#"{"recordings":[],\#(member)}"#) == .platformProtocol)
    #expect(try await problem(#"{"recordings":[{"id":"a"}],\#(member)}"#) == nil)
  }

  @Test(
    arguments: [
      #""hasMore":true"#, #""has_more":1"#, #""HasMore":"true""#, #""hasMore":"yes""#, #""hasmore":true"#,
      #""truncated":true"#, #""isTruncated":true"#, #""istruncated":true"#, #""hasMore":True"#,
      #""next_cursor":"zz""#, #""NextCursor":"zz""#, #""next":"/api/v2/recordings?cursor=zz""#, #""nextPageToken":7"#,
      #""@odata.nextLink":"x""#, #""nextPageUrl":"/x""#, #""next_page_url":"/x""#, #""nextPageNumber":2"#,
      #""links":{"self":"a","next":"b"}"#, #""links":[{"rel":"next","href":"/x"}]"#,
      #""_links":{"next":{"href":"/x"}}"#,
      #""links":[{"href":"/a","rel":"self"},{"href":"/x","rel":"Next"}]"#, #""link":"</x>; rel=\"next\"""#,
      #""paging":{"hasMore":true}"#, #""meta":{"paging":{"hasMore":true}}"#, #""paging":{"cursors":{"next":"zz"}}"#,
      #""moreRecords":true"#, #""hasMoreRecords":true"#, #""noMoreRecords":false"#, #""scrollId":"zz""#,
      #""cursor":"zz""#, #""continuationToken":"zz""#, #""limitReached":true"#, #""limit_exceeded":"true""#,
      #""partial":true"#, #""status":"partial""#, #""status":"206 Partial Content""#, #""incompleteResults":true"#,
      #""isLast":false"#, #""complete":false"#, #""resultComplete":false"#, #""page":{"last_page":false}"#,
      #""message":"the result was truncated""#, #""maxResultsReached":true"#, #""maxRecordsExceeded":"true""#,
      #""cursor":"zz","hasMore":true"#, #""after_cursor":"zz""#,
    ], rows)
  func `a page that says that there is more needs a cursor`(member: String, row: String) async throws {
    #expect(try await problem(#"{"recordings":[\#(row)],\#(member)}"#) == .platformProtocol)
    // A message, too, is no error beside rows.
    if !row.isEmpty { #expect(try await problem(#"{"recordings":[\#(row)],\#(member),"nextCursor":"n"}"#) == nil) }
  }

  @Test(
    arguments: [
      #""hasMore":false"#, #""truncated":null"#, #""next_cursor":"""#, #""links":{"self":"a","next":null}"#,
      #""links":{"next":{"href":null}}"#, #""links":{"next":{"href":null,"rel":"next"},"self":{"href":"/x?cursor=a"}}"#,
      #""_links":{"next":{"href":""}}"#, #""links":[{"rel":"self","href":"/x"},{"rel":"prev","href":"/y"}]"#,
      #""links":{"self":"/x","first":"/x","last":"/x","previous":{"cursor":"a"}}"#, #""previousCursor":"a""#,
      #""isLast":true"#, #""complete":true"#, #""error":null"#, #""errors":[ ]"#, #""message":"""#, #""errors":{}"#,
      #""message":"OK""#, #""error":"none""#, #""errorCode":0"#, #""errorMessage":"Success""#, #""failedCount":0"#,
      #""success":true"#, #""ok":1"#, #""status":"success""#, #""status":200"#, #""code":200"#, #""code":"0""#,
      #""status":{"code":200,"text":"OK"}"#, #""_shards":{"total":0,"failed":0}"#, #""timed_out":false"#,
      #""timeout":30000"#, #""maxErrors":5"#, #""moreInfo":"https://example.test""#, #""pageSize":500"#,
      #""limit":100"#, #""offset":0"#, #""requestId":"x""#, #""total":0"#, #""totalPages":0"#, #""page":1"#,
      #""page":0,"totalPages":1"#, #""page":1,"totalPages":1"#, #""totalDurationMs":700"#, #""took":12"#,
      #""agents":{"total":7}"#, #""rateLimit":{"limit":100,"remaining":99}"#, #""pageInfo":{"hasNextPage":false}"#,
      #""pageInfo":{"hasNextPage":false,"startCursor":"a","endCursor":"b"}"#, #""scrollId":"a","hasMore":false"#,
      #""meta":{"has_more":false,"after_cursor":"a","before_cursor":"b"}"#, #""isLast":true,"cursor":"a""#,
      #""code":1000"#, #""code":10000"#, #""result":500"#, #""search":48213"#, #""timeout":"30s""#, #""timeout":30.5"#,
      #""timeout":{"value":30}"#,
      #""moreInfoUrl":"/x""#, #""moreDetails":"x""#, #""query":{"includePartial":true}"#,
      #""allowPartialResults":true"#,
      #""nextRefreshAt":"2026-01-15T10:00:00Z""#, #""cursorExpiresIn":30"#, #""totalCalls":700"#, #""contactCount":9"#,
      #""facets":{"items":[{"key":"a","count":7}]}"#, #""firstPage":"/x""#,
      #""description":"next""#, #""noErrors":true"#, #""warnings":[]"#, #""data":{"recordings":[]}"#, #""items":[]"#,
      #""version":"2.1""#, #""generatedAt":"2026-01-15T10:00:00Z""#, #""query":{"startTime":"x","direction":null}"#,
    ], rows)
  func `other members and empty ones say nothing`(member: String, row: String) async throws {
    let page = try await page(#"{"recordings":[\#(row)],\#(member)}"#)
    #expect(page.rowCount == (row.isEmpty ? 0 : 1) && page.nextCursor == nil)
    var pages = PageCursors()
    try pages.count(page.rowCount, of: page.extent, isLast: true)
  }

  @Test(
    arguments: [
      #""total":7"#, #""totalRecords":7"#, #""totalCount":"7""#, #""total_count":7"#, #""numFound":7"#,
      #""recordsTotal":7"#, #""hits":{"total":{"value":7}}"#, #""meta":{"paging":{"total":7}}"#, #""count":7"#,
      #""page":1,"totalPages":3"#, #""totalPages":3"#, #""page":{"number":0,"totalPages":3}"#, #""pages":2"#,
      #""meta":{"page":1,"page_count":3}"#, #""current_page":1,"last_page":3"#,
    ], rows)
  func `a list that ends before its length is reached is an error`(member: String, row: String) async throws {
    let page = try await page(#"{"recordings":[\#(row)],\#(member)}"#)
    #expect(throws: TapedeckError.self) {
      var pages = PageCursors()
      try pages.count(page.rowCount, of: page.extent, isLast: true)
    }
    var pages = PageCursors()
    try pages.count(page.rowCount, of: page.extent, isLast: false)
    #expect(throws: Never.self) {
      try pages.count(6, of: page.extent, isLast: false)
      try pages.count(1, of: page.extent, isLast: true)
    }
  }

  @Test(
    arguments: [
      #""data":{"recordings":[{"id":"b"}]}"#, #""Recordings":[{"id":"b"}]"#, #""items":[{"id":"b"}]"#,
      #""meta":{"x":{"results":[{"id":"b"}]}}"#,
    ], rows)
  func `rows in a second list are an error`(member: String, row: String) async throws {
    #expect(try await problem(#"{"recordings":[\#(row)],\#(member),"nextCursor":"n"}"#) == .platformProtocol)
  }

  @Test(arguments: [
    ("Link", #"</api/v2/recordings?cursor=z>; rel="next""#), ("link", "</x>; rel=prev, </y>; rel=next"),
    ("Link", #"</x>; title="a"; rel="last next""#), ("X-Next-Cursor", "z"), ("x-next-page", "2"),
    ("X-Has-More", "true"),
  ])
  func `a header that names a next page needs a cursor`(name: String, value: String) async throws {
    for body in ["", "{}", #"{"recordings":[]}"#, #"{"recordings":[{"id":"a"}]}"#] {
      #expect(try await problem(body, [name: value]) == .platformProtocol)
    }
    #expect(try await problem(#"{"recordings":[],"nextCursor":"z"}"#, [name: value]) == nil)
  }

  @Test(arguments: [
    ("Link", #"</x>; rel="self", </next>; rel="prev""#), ("X-Next-Cursor", ""), ("X-Next-Page", ""),
    ("X-Has-More", "false"),
    ("X-Total", "0"), ("X-Request-ID", "next"), ("X-RateLimit-Remaining", "7"), ("X-Cache", "Error from cache"),
  ])
  func `other headers say nothing`(name: String, value: String) async throws {
    for body in ["", "{}", #"{"recordings":[]}"#, #"{"recordings":[{"id":"a"}]}"#] {
      #expect(try await problem(body, [name: value]) == nil)
    }
  }

  @Test func `a page may repeat the cursor with which it was requested, but not as the next one`() async throws {
    for member in [#""cursor":"c""#, #""paging":{"cursor":"c"}"#, #""scrollId":"c""#] {
      #expect(try await problem(#"{"recordings":[],\#(member)}"#, cursor: "c") == nil)
      #expect(try await problem(#"{"recordings":[],\#(member)}"#, cursor: "d") == .platformProtocol)
    }
    #expect(try await problem(#"{"recordings":[],"meta":{"nextCursor":"c"}}"#, cursor: "c") == .platformProtocol)
  }

  @Test(arguments: [
    #""meta":{"url":"/x","hasMore":true}"#, #""next":{"method":"GET","href":"/x"}"#, #""x":{"name":"a","error":"b"}"#,
  ])
  func `only an object without other members is a link`(member: String) async throws {
    #expect(try await problem(#"{"recordings":[],\#(member)}"#) == .platformProtocol)
  }

  @Test func `very many members are an error and cost little`() async throws {
    let numbers = Array(repeating: "1", count: 500_000).joined(separator: ",")
    #expect(try await problem(#"{"recordings":[],"x":[\#(numbers)]}"#) == .platformProtocol)
    let members = (0..<50_000).map { #""x\#($0)":1"# }.joined(separator: ",")
    #expect(try await problem(#"{"recordings":[],\#(members)}"#) == .platformProtocol)
    #expect(try await problem("{\(members)}") == .platformProtocol)
  }

  @Test func `members are read to a depth of six`() async throws {
    func body(_ depth: Int) -> String {
      #"{"recordings":[],\#(String(repeating: #""a":{"#, count: depth))"hasMore":true\#(String(repeating: "}", count: depth))}"#
    }
    #expect(try await problem(body(5)) == .platformProtocol)
    #expect(try await problem(body(6)) == nil)
    #expect(try await problem(body(400)) == nil)
  }
}
