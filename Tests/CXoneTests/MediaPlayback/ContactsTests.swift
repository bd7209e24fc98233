import CXone
import Foundation
import Logging
import Model
import Synchronization
import TestKit
import Testing

@Suite(.timeLimit(.minutes(1))) struct ContactsTests {
  private static let query = RecordingQuery(
    start: Instant(iso8601: "2026-01-15T00:00:00Z")!, end: Instant(iso8601: "2026-01-16T00:00:00Z")!)

  private func page(
    _ body: String, _ query: RecordingQuery = ContactsTests.query, logger: Logger = Logger(label: "test")
  ) async throws -> ListPage {
    var options = MediaTenant.Options()
    options.logger = logger
    return try await MediaTenant.run(options) { _, _, _ in
      .json(body)
    } _: { tenant in
      try await tenant.source.list(query, bookmark: nil)
    }
  }

  private func rows(_ rows: String...) -> String { #"{"completedContacts":[\#(rows.joined(separator: ","))]}"# }

  // MARK: The request

  @Test func `the request has dates with a literal Z and asks for calls`() async throws {
    try await MediaTenant.run { _, _, _ in
      .response(204)
    } _: { tenant in
      let page = try await tenant.source.list(Self.query, bookmark: nil)
      #expect(page == ListPage(recordings: [], nextCursor: nil))
      let target = try #require(tenant.contactRequests.first?.target)
      #expect(target.hasPrefix("/incontactapi/services/v34.0/contacts/completed?"))
      let items = Set(target.split(separator: "?")[1].split(separator: "&"))
      #expect(
        items == [
          "startDate=2026-01-15T00%3A00%3A00Z", "endDate=2026-01-16T00%3A00%3A00Z", "mediaTypeId=4", "skip=0",
          "top=1000", "orderBy=contactStart",
        ])
    }
  }

  @Test func `changes are asked for with updatedSince instead of dates`() async throws {
    try await MediaTenant.run { _, _, _ in
      .json(#"{"completedContacts":[{"contactId":1,"isOutbound":false}]}"#)
    } _: { tenant in
      #expect(tenant.source.policy.listsChanges)
      let page = try await tenant.source.listChanges(since: Self.query.start, bookmark: nil)
      #expect(page.ids == ["1"])
      let target = try #require(tenant.contactRequests.first?.target)
      #expect(target.contains("updatedSince=2026-01-15T00%3A00%3A00Z"))
      #expect(!target.contains("startDate") && !target.contains("endDate"))
    }
  }

  // MARK: Rows

  @Test(arguments: [
    #"{"contactId":"71","masterContactId":"7","contactStart":"2026-01-15T10:00:00.5Z","fromAddr":"+1","toAddr":"+2","mediaType":4,"ACWSeconds":3,"agentId":1001,"firstName":"Zoë","lastName":"Müller","totalDurationSeconds":90,"isOutbound":true,"isLogged":true}"#,
    #"{"contactId":71,"masterContactId":7,"contactStartDate":"2026-01-15T10:00:00.5Z","fromAddress":"+1","toAddress":"+2","mediaTypeId":"4","acwSeconds":3,"agentId":"1001","firstName":"Zoë","lastName":"Müller","totalDurationSeconds":"90","isOutbound":"true","isLogged":"True"}"#,
  ])
  func `rows of both generations are read, by number or text`(row: String) async throws {
    let call = try #require(try await page(rows(row)).recordings.first)
    #expect(call.id.rawValue == "7" && call.leg == "71" && call.contactID == "7")
    #expect(call.startTime == Instant(iso8601: "2026-01-15T10:00:00.5Z"))
    #expect(call.endTime == Instant(iso8601: "2026-01-15T10:01:30.5Z"))
    #expect(call.fromAddress == "+1" && call.toAddress == "+2")
    #expect(call.agentID == "1001" && call.agentName == "Zoë Müller")
    #expect(call.direction == .outbound && call.wasRecorded == true && call.durationSeconds == 90)
  }

  @Test func `the privacy of a listed call is unknown, and counts as restricted`() async throws {
    let call = try #require(try await page(rows(#"{"contactId":1}"#)).recordings.first)
    #expect(call.privacy == .restricted && !call.isPrivacyKnown)
    #expect(call.status == .processing)
  }

  @Test func `each leg is a row of its call; a contact without a master is its own`() async throws {
    let page = try await page(
      rows(
        #"{"contactId":70,"masterContactId":70}"#, #"{"contactId":71,"masterContactId":70}"#, #"{"contactId":80}"#,
        #"{"contactId":90,"masterContactId":0}"#))
    #expect(page.ids == ["70", "70", "80", "90"])
    #expect(page.recordings.map(\.leg) == ["70", "71", "80", "90"])
  }

  @Test func `a call that was not recorded is not wanted`() async throws {
    let page = try await page(
      rows(#"{"contactId":1,"isLogged":false}"#, #"{"contactId":2,"isLogged":true}"#, #"{"contactId":3}"#))
    #expect(page.recordings.map(SyncFilter(direction: nil).wants) == [false, true, true])
  }

  @Test func `the direction is decided here; later legs and unknown directions are kept`() async throws {
    let body = rows(
      #"{"contactId":1,"isOutbound":true}"#, #"{"contactId":2,"isOutbound":false}"#, #"{"contactId":3}"#,
      #"{"contactId":4,"masterContactId":1,"isOutbound":false}"#)
    var outbound = Self.query
    outbound.direction = .outbound
    #expect(try await page(body, outbound).recordings.map(\.leg) == ["1", "3", "4"])
    #expect(try await page(body).rowCount == 4)
    var agent = Self.query
    agent.agentID = "9"
    let agents = rows(#"{"contactId":1,"agentId":9}"#, #"{"contactId":2,"agentId":8}"#)
    #expect(try await page(agents, agent).ids == ["1"])
  }

  @Test func `chat and mail are left out although calls were asked for`() async throws {
    let page = try await page(
      rows(
        #"{"contactId":1,"mediaTypeId":3}"#, #"{"contactId":2,"mediaType":"Chat"}"#,
        #"{"contactId":3,"mediaType":"Call"}"#))
    #expect(page.ids == ["3"] && page.unidentified.isEmpty)
  }

  @Test func `a row without a usable ID is reported with its position`() async throws {
    let page = try await page(rows(#"{"contactId":1}"#, #"{"agentId":5}"#, #"{"contactId":"\u0001"}"#, "17"))
    #expect(page.ids == ["1"])
    #expect(page.unidentified.map(\.position) == [2, 3, 4])
    #expect(Set(page.unidentified.map(\.reason)).count == 3)
  }

  @Test(arguments: ["fromAddr", "fromAddress", "toAddr", "toAddress"])
  func `an erased address is recognised and logged`(name: String) async throws {
    let log = RecordedLog()
    let page = try await page(
      rows(#"{"contactId":1,"\#(name)":"NIC_anonymize.com"}"#, #"{"contactId":2,"\#(name)":"+1"}"#),
      logger: log.logger())
    #expect(page.recordings.map(\.isAnonymized) == [true, false])
    #expect(log.messages(at: .notice).count == 1)
  }

  @Test func `a row that repeats a secret is stored without it`() async throws {
    let page = try await page(rows(#"{"contactId":1,"tags":[{"name":"tdk_abcdefghijklmnop"}]}"#))
    #expect(page.recordings.first?.json.contains("abcdefgh") == false)
  }

  // MARK: Answers

  @Test(arguments: [
    ("", 200), ("[]", 200), (#"{"message":"maintenance"}"#, 200), (#"{"completedContacts":{}}"#, 200), ("", 202),
  ])
  func `an answer that is no list is an error, not an empty list`(body: String, status: Int) async throws {
    try await MediaTenant.run { _, _, _ in
      .json(body, status: status)
    } _: { tenant in
      let error = await failure { _ = try await tenant.source.list(Self.query, bookmark: nil) }
      #expect([.platformProtocol, .platformUnavailable].contains(error?.code))
    }
  }

  @Test func `an empty list may come as a body too`() async throws {
    #expect(try await page(#"{"totalRecords":0}"#).rowCount == 0)
    #expect(try await page(#"{"CompletedContacts":[],"totalRecords":0}"#).nextCursor == nil)
  }

  @Test func `the text of an error is in a header`() async throws {
    try await MediaTenant.run { _, _, _ in
      .response(400, ["icStatusDescription": "Invalid startDate"])
    } _: { tenant in
      let error = await failure { _ = try await tenant.source.list(Self.query, bookmark: nil) }
      #expect(error?.code == .platformRefused)
      #expect(error?.detail?.contains("'Invalid startDate'") == true)
    }
  }

  @Test func `429 names a route, with and without Retry-After`() async throws {
    for wait in [nil, "7"] {
      try await MediaTenant.run { _, _, _ in
        .json(
          #"{"message":"limit","route":"contacts"}"#, status: 429, wait.map { ["Retry-After": $0] } ?? [:])
      } _: { tenant in
        let error = await failure { _ = try await tenant.source.list(Self.query, bookmark: nil) }
        #expect(error?.code == .platformRateLimited)
        #expect(error?.retryAfter == wait.map { _ in Duration.seconds(7) })
      }
    }
  }

  // MARK: Paging

  /// Answers from a list that may change between two requests.
  private final class Server: Sendable {
    private let state: Mutex<(ids: [Int], requests: Int, change: @Sendable (Int, inout [Int]) -> Void)>
    private let total: Bool

    init(_ ids: [Int], total: Bool = true, change: @escaping @Sendable (Int, inout [Int]) -> Void = { _, _ in }) {
      state = Mutex((ids, 0, change))
      self.total = total
    }

    /// At most `limit` rows at a time, whatever is asked for.
    func answer(_ request: ScriptedServer.Request, limit: Int = .max) -> ScriptedServer.Reply {
      let items = request.target.split(separator: "?")[1].split(separator: "&").map { $0.split(separator: "=") }
      func number(_ name: String) -> Int { items.first { $0[0] == name }.flatMap { Int($0[1]) } ?? 0 }
      let (page, count) = state.withLock { state in
        state.requests += 1
        state.change(state.requests, &state.ids)
        return (state.ids.dropFirst(number("skip")).prefix(min(number("top"), limit)), state.ids.count)
      }
      guard !page.isEmpty else { return .response(204) }
      let rows = page.map { #"{"contactId":\#($0)}"# }.joined(separator: ",")
      let head = total ? "\"totalRecords\":\(count)," : ""
      return .json("{\(head)\"completedContacts\":[\(rows)]}")
    }
  }

  private func listed(_ server: Server, limit: Int = .max) async throws -> [String] {
    try await MediaTenant.run { request, _, _ in
      server.answer(request, limit: limit)
    } _: { tenant in
      var (ids, bookmark) = ([String](), nil as String?)
      repeat {
        let page = try await tenant.source.list(Self.query, bookmark: bookmark)
        ids += page.ids
        #expect(page.nextCursor == nil || page.nextCursor != bookmark)
        bookmark = page.nextCursor
      } while bookmark != nil
      return ids
    }
  }

  private func names(_ ids: some Sequence<Int>) -> [String] { ids.map { "\($0)" } }

  @Test(arguments: [0, 1, 19, 20, 21, 999, 1000, 1001, 1980, 2000, 3500], [true, false])
  func `pages have each row once`(count: Int, total: Bool) async throws {
    #expect(try await listed(Server(Array(0..<count), total: total)) == names(0..<count))
  }

  @Test(arguments: [1, 2, 19, 20, 21, 100])
  func `a platform that sends fewer rows than asked for is read to the end`(limit: Int) async throws {
    let count = limit < 5 ? 30 : 250
    #expect(try await listed(Server(Array(0..<count)), limit: limit) == names(0..<count))
  }

  @Test func `rows that leave the list while it is read hide no other row`() async throws {
    // Ten rows of the first page leave, then 500 more.
    let server = Server(Array(0..<3000)) { request, ids in
      if request == 2 { ids.removeFirst(10) }
      if request == 3 { ids.removeFirst(500) }
    }
    let ids = try await listed(server)
    #expect(Set(ids) == Set(names(0..<3000)))
  }

  @Test func `rows that join the list while it is read are listed, and none twice`() async throws {
    let server = Server(Array(100..<2600)) { request, ids in
      if request == 2 { ids.insert(contentsOf: 0..<5, at: 985) }
    }
    let ids = try await listed(server)
    #expect(ids.count == Set(ids).count)
    #expect(Set(ids) == Set(names(0..<5) + names(100..<2600)))
  }

  @Test(arguments: ["x", "5", "-1~a", "5~a~b", ""])
  func `a cursor of another source is refused`(cursor: String) async throws {
    try await MediaTenant.run { _, _, _ in
      .response(204)
    } _: { tenant in
      let error = await failure { _ = try await tenant.source.list(Self.query, bookmark: cursor) }
      #expect(error?.code == .invalidRequest)
    }
  }
}
