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
  ) async throws -> ListPage {
    let headers = headers.merging(["Content-Type": "application/json"]) { first, _ in first }
    return try await Tenant.run { _, _ in
      .response(200, headers, body: Array(body.utf8))
    } _: { tenant in
      try await tenant.source.search(query, cursor: cursor, pageSize: 500)
    }
  }

  /// Whether the list of one page is whole: it is nil when there is another page.
  private func isWhole(
    _ body: String, _ headers: [String: String] = [:], cursor: String? = nil
  ) async throws -> Bool? {
    let page = try await page(body, headers, cursor: cursor)
    var progress = ListProgress()
    do {
      try progress.count(page.ids, unidentified: 0, notes: page.notes, isLast: page.nextCursor == nil)
    } catch {
      #expect(error.code == .platformProtocol)
      return false
    }
    return page.nextCursor == nil ? true : nil
  }

  @Test(
    arguments: [
      // Failures.
      #""error":"timeout: result truncated""#, #""errors":[{"code":5}]"#, #""Error":true"#, #""exception":"x""#,
      #""has_errors":1"#, #""fault":{"faultstring":"x"}"#, #""timed_out":true"#, #""error":" ""#, #""haserror":"true""#,
      #""success":false"#, #""ok":false"#, #""isSuccess":"false""#, #""ok":0"#, #""success":"N""#,
      #""meta":{"success":false}"#, #""status":"error""#, #""status":"FAILED""#, #""searchStatus":"TimedOut""#,
      #""status":"running""#, #""status":"pending""#, #""status":{"code":500}"#, #""code":500"#, #""code":"503""#,
      #""httpStatus":404"#, #""code":"TIMEOUT""#, #""meta":{"error":"x"}"#, #""failedShards":3"#,
      #""a":{"b":[{"c":{"errorMessage":"x"}}]}"#, #""_shards":{"failed":1}"#, #""partialFailure":true"#,
      #""timeout":true"#, #""message":"backend 3 timed out""#, #""warnings":["2 shards failed"]"#, #""noError":false"#,
      #""error":NaN"#, #""queryTimedOut":true"#, #""query":{"timedOut":true}"#, #""error":{"filter":"x"}"#,
      #""endError":"x""#, #""terminated_early":true"#, #""omitted":3"#, #""remaining":0"#, #""isLimited":true"#,
      // A page that continues.
      #""hasMore":true"#, #""has_more":1"#, #""HasMore":"true""#, #""hasMore":"yes""#, #""hasmore":true"#,
      #""truncated":true"#, #""isTruncated":true"#, #""hasMore":True"#, #""hasMore":"perhaps""#,
      #""next_cursor":"zz""#, #""NextCursor":"zz""#, #""next":"/api/v2/recordings?cursor=zz""#, #""nextPageToken":7"#,
      #""@odata.nextLink":"x""#, #""nextPageUrl":"/x""#, #""next_page_url":"/x""#, #""nextPageNumber":2"#,
      #""next_max_id":"x""#, #""links":{"self":"a","next":"b"}"#, #""links":[{"rel":"next","href":"/x"}]"#,
      #""_links":{"next":{"href":"/x"}}"#, #""links":[{"href":"/a","rel":"self"},{"href":"/x","rel":"Next"}]"#,
      #""link":"</x>; rel=\"next\"""#, #""paging":{"hasMore":true}"#, #""meta":{"paging":{"hasMore":true}}"#,
      #""paging":{"cursors":{"next":"zz"}}"#, #""moreRecords":true"#, #""noMoreRecords":false"#, #""scrollId":"zz""#,
      #""cursor":"zz""#, #""continuationToken":"zz""#, #""LastEvaluatedKey":{"a":1}"#, #""pageToken":"x""#,
      #""search_after":[1]"#, #""limitReached":true"#, #""limit_exceeded":"true""#, #""partial":true"#,
      #""status":"partial""#, #""incompleteResults":true"#, #""isLast":false"#, #""isLast":"N""#, #""complete":false"#,
      #""exhausted":false"#, #""page":{"last_page":false}"#, #""maxResultsReached":true"#,
      #""partial":false,"scrollId":"x""#, #""cursor":"zz","hasMore":true"#, #""after_cursor":"zz""#,
      #""query":{"isLast":true},"cursor":"zz""#,
      // Other rows, and a length that cannot be read.
      #""data":{"recordings":[{"id":"b"}]}"#, #""Recordings":[{"id":"b"}]"#, #""items":[{"id":"b"}]"#,
      #""meta":{"x":{"results":[{"id":"b"}]}}"#, #""recordingList":[{"id":"b"}]"#, #""items":[null,{"id":"b"}]"#,
      #""first":[{"id":"b"}]"#, #""total":"many""#, #""total":1e30"#, #""total":-1"#, #""hits":{"total":{"value":7}}"#,
      // Less than was asked.
      #""startTime":"2026-01-15T00:00:02Z""#, #""endTime":"2026-01-15T12:00:00Z""#, #""startTime":"x""#,
      #""from":"2026-01-15T08:00:00Z""#, #""meta":{"to":"2026-01-15T08:00:00+02:00"}"#, #""end":1768500000"#,
      #""query":{"startTime":"2026-01-15T00:00:00Z","endTime":"2026-01-15T12:00:00Z"}"#, #""endDate":"2026-01-14""#,
      #""endTime":["2026-01-16T00:00:00Z"]"#, #""offset":500"#, #""skip":"1""#, #""pageNumber":2"#, #""page":2"#,
      #""from":501"#, #""limit":"few""#, #""direction":"outbound""#, #""filters":{"direction":"INBOUND"}"#,
      // Nothing is known about these.
      #""took_ms_total":12"#, #""facets":{"items":[{"key":"a","count":7}]}"#, #""x":false"#, #""x":0"#,
    ], rows)
  func `a member that is not understood, or says so, makes the list doubtful`(member: String, row: String) async throws
  {
    #expect(try await isWhole(#"{"recordings":[\#(row)],\#(member)}"#) == false)
  }

  @Test(
    arguments: [
      #""hasMore":false"#, #""hasMore":0"#, #""truncated":null"#, #""next_cursor":"""#,
      #""links":{"self":"a","next":null}"#, #""links":{"next":{"href":null}}"#,
      #""links":{"next":{"href":null,"rel":"next"},"self":{"href":"/x?cursor=a"}}"#, #""_links":{"next":{"href":""}}"#,
      #""links":[{"rel":"self","href":"/x"},{"rel":"prev","href":"/y"}]"#, #""links":{"self":"/x","first":"/x"}"#,
      #""previousCursor":"a""#, #""isLast":true"#, #""complete":true"#, #""error":null"#, #""errors":[ ]"#,
      #""message":"""#, #""errors":{}"#, #""message":"OK""#, #""error":"none""#, #""errorCode":0"#,
      #""errorMessage":"Success""#, #""failedCount":0"#, #""success":true"#, #""ok":1"#, #""status":"success""#,
      #""status":200"#, #""code":200"#, #""code":"0""#, #""timed_out":false"#, #""moreInfo":"https://example.test""#,
      #""pageSize":500"#, #""limit":100"#, #""offset":0"#, #""requestId":"x""#, #""total":0"#, #""totalPages":0"#,
      #""page":1"#, #""page":1,"totalPages":1"#, #""current_page":1,"last_page":1"#, #""last_page":0"#,
      #""totalDurationMs":700"#, #""took":12"#, #""pageInfo":{"hasNextPage":false,"startCursor":"a","endCursor":"b"}"#,
      #""scrollId":"a","hasMore":false"#, #""meta":{"has_more":false,"after_cursor":"a","before_cursor":"b"}"#,
      #""isLast":true,"cursor":"a""#, #""firstPage":"/x""#, #""last":"/x""#, #""description":"next""#,
      #""warnings":[]"#, #""data":{"recordings":[]}"#, #""items":[]"#, #""x":{"y":null}"#, #""version":"2.1""#,
      #""generatedAt":"2026-01-15T10:00:00Z""#,
      #""query":{"startTime":"2026-01-15T00:00:00Z","direction":null,"pageSize":500}"#,
      // As much as was asked, or more.
      #""startTime":"2026-01-15T00:00:00.000Z","endTime":"2026-01-16T00:00:00Z""#,
      #""from":"2026-01-14T00:00:00Z","to":"2026-01-17T00:00:00+02:00""#,
      #""start":1768435200,"end":1768521600000"#, #""startDate":"2026-01-15","endDate":"2026-01-15""#,
      #""query":{"endTime":"2026-01-15T23:59:59.999Z"}"#, #""endTime":"2026-01-15T23:59:59Z""#,
      #""limit":2"#, #""size":"7""#, #""pageSize":1,"hasMore":false"#, #""limit":1,"total":0"#,
      #""offset":0,"skip":"0","pageNumber":0,"currentPage":1"#, #""from":1,"to":1"#, #""direction":"desc""#,
    ], rows)
  func `members that are known, and empty ones, leave it whole`(member: String, row: String) async throws {
    #expect(try await isWhole(#"{"recordings":[\#(row)],\#(member)}"#) == true)
  }

  @Test(arguments: [
    #""hasMore":true"#, #""next":"/x""#, #""cursor":"n""#, #""links":{"next":"/x"}"#, #""isLast":false"#, #""total":7"#,
  ])
  func `a page with a cursor may say that the list continues`(member: String) async throws {
    #expect(try await isWhole(#"{"recordings":[{"id":"a"}],\#(member),"nextCursor":"n"}"#) == nil)
  }

  @Test(
    arguments: [
      #""total":7"#, #""totalRecords":7"#, #""totalCount":"7""#, #""total_count":7"#, #""totalcount":7"#,
      #""numFound":7"#, #""recordsTotal":7"#, #""meta":{"paging":{"total":7}}"#, #""count":7"#, #""totalSize":7"#,
      #""page":1,"totalPages":3"#, #""page":7,"totalPages":7"#, #""page":{"number":0,"totalPages":3}"#, #""pages":2"#,
      #""meta":{"page":1,"page_count":3}"#, #""current_page":1,"last_page":3"#,
    ], rows)
  func `a list that ends before its length is reached is not whole`(member: String, row: String) async throws {
    #expect(try await isWhole(#"{"recordings":[\#(row)],\#(member)}"#) == false)
  }

  @Test(arguments: [
    ("Link", #"</api/v2/recordings?cursor=z>; rel="next""#), ("link", "</x>; rel=prev, </y>; rel=next"),
    ("Link", #"</x>; title="a"; rel = "last next""#), ("X-Next-Cursor", "z"), ("x-next-page", "2"),
    ("X-Has-More", "true"), ("x-ms-continuation", "z"), ("X-Total-Count", "7"), ("Total-Count", "7"),
    ("X-WP-TotalPages", "7"), ("Content-Range", "items 0-0/7"),
  ])
  func `a header may say that a list is not whole`(name: String, value: String) async throws {
    for body in ["", "{}", #"{"recordings":[]}"#, #"{"recordings":[{"id":"a"}]}"#] {
      #expect(try await isWhole(body, [name: value]) == false, "\(name): \(value)")
    }
    #expect(try await isWhole(#"{"recordings":[],"nextCursor":"z"}"#, [name: value]) == nil)
  }

  @Test(arguments: [
    ("Link", #"</x>; rel="self", </next>; rel="prev""#), ("X-Next-Cursor", ""), ("X-Has-More", "false"),
    ("X-Total", "0"), ("X-Request-ID", "next"), ("X-RateLimit-Remaining", "7"), ("X-Cache", "Error from cache"),
    ("Content-Range", "items 0-0/*"), ("X-Account-ID", "7"), ("CF-IPCountry", "DE"), ("X-Error-Count", "0"),
    ("X-Truncated", "false"), ("X-Pagination", #"{"HasNext":false,"TotalPages":1,"CurrentPage":1}"#), ("X-Page", "1"),
    ("Status", "200 OK"), ("X-Cache-Status", "HIT"), ("NEL", #"{"report_to":"x","max_age":1}"#), ("Age", "7"),
    ("X-RateLimit-Total", "100"), ("Server-Timing", "total;dur=12"), ("X-Start-Time", "1700000000"),
    ("X-Content-Type-Options", "nosniff"), ("X-Info", "x"), ("X-Per-Page", "100"), ("X-Runtime", "0.1"),
  ])
  func `other headers say nothing`(name: String, value: String) async throws {
    for body in ["", "{}", #"{"recordings":[]}"#, #"{"recordings":[{"id":"a"}]}"#] {
      #expect(try await isWhole(body, [name: value]) == true)
    }
  }

  @Test(arguments: [#""limit":1"#, #""pageSize":"1""#, #""meta":{"per_page":1}"#, #""query":{"pageSize":1}"#])
  func `a full page of a smaller size is not known to be the last`(member: String) async throws {
    #expect(try await isWhole(#"{"recordings":[{"id":"a"}],\#(member)}"#) == false)
    #expect(try await isWhole(#"{"recordings":[{"id":"a"}],"nextCursor":null,\#(member)}"#) == false)
    #expect(try await isWhole(#"{"recordings":[],\#(member)}"#) == true)
    #expect(try await isWhole(#"{"recordings":[{"id":"a"}],"total":1,\#(member)}"#) == true)
    #expect(try await isWhole(#"{"recordings":[{"id":"a"}],"hasMore":false,\#(member)}"#) == true)
    #expect(try await isWhole(#"{"recordings":[{"id":"a"}],"nextCursor":"n",\#(member)}"#) == nil)
    #expect(try await isWhole(#"{"recordings":[{"id":"a"}]}"#, ["X-Page-Size": "1"]) == false)
  }

  @Test func `a later page has a position`() async throws {
    for member in [#""offset":500"#, #""page":2"#, #""pageNumber":2"#, #""from":501,"to":501"#] {
      #expect(try await isWhole(#"{"recordings":[{"id":"a"}],\#(member)}"#, cursor: "c") == true)
    }
  }

  @Test func `the direction that was asked for may be repeated`() async throws {
    let headers = ["Content-Type": "application/json"]
    for (direction, unknown) in [("inbound", []), ("OUTBOUND", ["direction"])] {
      let body = #"{"recordings":[],"direction":"\#(direction)"}"#
      let page = try await Tenant.run { _, _ in
        .response(200, headers, body: Array(body.utf8))
      } _: { tenant in
        let query = RecordingQuery(start: query.start, end: query.end, direction: .inbound)
        return try await tenant.source.search(query, cursor: nil, pageSize: 500)
      }
      #expect(page.notes.unknown == unknown)
    }
  }

  @Test func `a page may repeat the cursor with which it was requested, but not as the next one`() async throws {
    for member in [#""cursor":"c""#, #""paging":{"cursor":"c"}"#, #""scrollId":"c""#, #""query":{"cursor":"c"}"#] {
      #expect(try await isWhole(#"{"recordings":[],\#(member)}"#, cursor: "c") == true)
    }
    for member in [#""cursor":"c""#, #""paging":{"cursor":"c"}"#, #""scrollId":"c""#] {
      #expect(try await isWhole(#"{"recordings":[],\#(member)}"#, cursor: "d") == false)
    }
    #expect(try await isWhole(#"{"recordings":[],"meta":{"nextCursor":"c"}}"#, cursor: "c") == false)
  }

  @Test func `a setting names members that say nothing`() async throws {
    let headers = ["Content-Type": "application/json"]
    let body = #"{"recordings":[],"meta":{"Took_Total":5,"shards":{"failed":0}},"facets":[{"id":"a"}],"next":"x"}"#
    for (ignored, unknown) in [
      ([], ["facets", "meta.Took_Total", "meta.shards"]), (["facets", "meta"], []),
      (["meta.tookTotal"], ["facets", "meta.shards"]),
      (["shards"], ["facets", "meta.Took_Total", "meta.shards"]),
    ] as [([String], [String])] {
      var options = Tenant.Options()
      options.ignoredMembers = ignored
      let page = try await Tenant.run(options) { _, _ in
        .response(200, headers, body: Array(body.utf8))
      } _: { tenant in
        try await tenant.source.search(query, cursor: nil, pageSize: 500)
      }
      #expect(page.notes.unknown.sorted() == unknown && page.notes.continues)
    }
  }

  @Test func `a setting names headers, and an object that it names is read for whether the list continues`()
    async throws
  {
    let headers = ["Content-Type": "application/json", "X-Shard-Errors": "2"]
    for (member, continues) in [(#""hasMore":true"#, true), (#""shards":1"#, false)] {
      var options = Tenant.Options()
      options.ignoredMembers = ["x-shard-errors", "meta"]
      let page = try await Tenant.run(options) { _, _ in
        .response(200, headers, body: Array(#"{"recordings":[],"meta":{\#(member)}}"#.utf8))
      } _: { tenant in
        try await tenant.source.search(query, cursor: nil, pageSize: 500)
      }
      #expect(page.notes == ListNotes(continues: continues))
    }
  }

  @Test func `of very many members ten are named`() async throws {
    let members = (0..<50_000).map { #""x\#($0)":1"# }.joined(separator: ",")
    #expect(try await page(#"{"recordings":[],\#(members)}"#).notes.unknown.count == 10)
    let numbers = Array(repeating: "1", count: 500_000).joined(separator: ",")
    #expect(try await page(#"{"recordings":[],"x":[\#(numbers)]}"#).notes.unknown == ["x"])
    #expect(await failure { _ = try await page("{\(members)}") }?.code == .platformProtocol)
    let spaces = String(repeating: " ", count: 400_000)
    let links = Array(repeating: #"";rel=\#(spaces)""#, count: 10).joined(separator: ",")
    #expect(try await isWhole(#"{"recordings":[],"links":[\#(links)]}"#) == true)
  }

  @Test func `members are read to a depth of six`() async throws {
    func body(_ depth: Int) -> String {
      #"{"recordings":[],\#(String(repeating: #""meta":{"#, count: depth))"hasMore":false\#(String(repeating: "}", count: depth))}"#
    }
    #expect(try await isWhole(body(5)) == true)
    #expect(try await isWhole(body(6)) == false)
    #expect(try await isWhole(body(400)) == false)
  }
}
