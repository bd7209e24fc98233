import Catalog
import Foundation
import HTTPTypes
import Hummingbird
import Model
import Testing
import Web

/// The route table, and what the router makes of it.
@Suite(.timeLimit(.minutes(5)))
struct RouteTests {
  // Hummingbird lists the routes of a router in debug builds only.
  #if DEBUG
    @Test func `every route of the router is in the table, with an access and a log rule`() async throws {
      try await WebFixture.run { fixture in
        let table = fixture.table
        for listener in [Listener.network, .socket] {
          let router = try makeWebRouter(fixture.services, listener: listener)
          let routed = router.routes.filter { $0.method != .head }.map { "\($0.method) \($0.path)" }
          #expect(routed.sorted() == table.routes.map { "\($0.method) \($0.path)" }.sorted())
        }
        let open: Set = ["/livez", "/readyz", "/login", "/assets/{name}"]
        for route in table.routes {
          #expect((route.access == .open) == open.contains(route.path), "\(route.path)")
          #expect((route.log == .none) == (route.access == .open && route.method == .get), "\(route.path)")
          #expect(!route.summary.isEmpty)
          #expect(route.kind != .api || !route.responses.isEmpty, "\(route.path)")
        }
      }
    }
  #endif

  @Test func `the router answers every route of the table, and no other method on its paths`() async throws {
    try await WebFixture.run { fixture in
      let all: [HTTPRequest.Method] = [.get, .post, .put, .patch, .delete]
      for path in Set(fixture.table.routes.map(\.path)) {
        let routes = fixture.table.routes.filter { $0.path == path }
        let target = Self.example(path)
        for method in all {
          let status = try await fixture.send(method, target).status
          guard let route = routes.first(where: { $0.method == method }) else {
            #expect(status == 405, "\(method) \(target)")
            continue
          }
          #expect(status != 405 && status < 500, "\(method) \(target)")
          // An open route answers without an identity; a page sends the browser to the sign-in.
          #expect(
            route.access == .open ? status != 401 : [401, 303].contains(status), "\(method) \(target): \(status)")
        }
      }
    }
  }

  @Test(arguments: WebFixture.Visitor.allCases)
  func `HEAD is answered as GET is, without a body`(visitor: WebFixture.Visitor) async throws {
    let isBrowser = [.agentsBrowser, .supervisorsBrowser].contains(visitor)
    let headers = isBrowser ? ["Accept": "text/html"] : [:]
    try await WebFixture.run { fixture in
      let job = try await fixture.archive(try fixture.facts("r"))
      try await fixture.archive(try fixture.facts("secret", privacy: .restricted))
      for route in fixture.table.routes where route.method == .get {
        for id in route.path.contains("{id}") ? ["r", "secret", "unknown", "agent-anna", ".."] : [""] {
          let path = Self.example(
            route.path.replacing("{id}", with: id).replacing("{job}", with: "\(job.id)"))
          let get = try await fixture.get(path, as: visitor, headers: headers)
          let head = try await fixture.send(.head, path, as: visitor, headers: headers)
          #expect(head.status == get.status, "\(path)")
          #expect(head.body.isEmpty, "\(path)")
          #expect(comparable(head.headers) == comparable(get.headers), "\(path)")
          // The access log has an entry more at the second request.
          if let length = path.contains("audit") ? nil : head.header("Content-Length") {
            #expect(length == get.header("Content-Length") ?? "\(get.body.count)", "\(path)")
          }
        }
      }
      let csv = try await fixture.send(.head, "/api/v1/recordings.csv", as: .supervisor)
      #expect(csv.status == 200 && csv.header("Content-Length") == nil, "its length is not known")
    }
  }

  /// The fields that two answers to one request share; of cookies their names, since some values are random.
  private func comparable(_ headers: HTTPFields) -> [String] {
    headers.filter { ![.contentLength, .date].contains($0.name) && $0.name.canonicalName != "x-request-id" }
      .map { $0.name == .setCookie ? "set-cookie: \($0.value.prefix { $0 != "=" })" : "\($0.name): \($0.value)" }
      .sorted()
  }

  /// A path that a template matches: an asset that exists, otherwise `1` for each parameter.
  private static func example(_ template: String) -> String {
    template.replacing("{name}", with: template.hasPrefix("/assets/") ? "tapedeck.css" : "1")
      .replacing(/\{[a-zA-Z]+\}/, with: "1")
  }

  @Test func `only the router evaluates the policy and writes to the access log`() throws {
    let web = URL(filePath: #filePath).appending(path: "../../../Sources/Web").standardized
    let files = FileManager.default.enumerator(at: web, includingPropertiesForKeys: nil)
    var checked = 0
    for case let file as URL in try #require(files) where file.pathExtension == "swift" {
      if file.deletingLastPathComponent().lastPathComponent == "Routing" { continue }
      checked += 1
      let text = try String(contentsOf: file, encoding: .utf8)
      for call in ["Policy.", "log.record(", "catalog.log("] {
        #expect(!text.contains(call), "\(file.lastPathComponent): \(call)")
      }
    }
    #expect(checked > 20)
  }

  @Test func `the table in docs/api.md is that of the routes`() async throws {
    try await WebFixture.run { fixture in
      let file = URL(filePath: #filePath).appending(path: "../../../docs/api.md").standardized
      let text = try String(contentsOf: file, encoding: .utf8)
      let (start, end) = ("<!-- routes: made by the test RouteTests -->\n", "<!-- end of routes -->")
      let first = try #require(text.range(of: start))
      let last = try #require(text.range(of: end))
      if ProcessInfo.processInfo.environment["TAPEDECK_WRITE_DOCS"] != nil {
        try (text[..<first.upperBound] + fixture.table.markdown + text[last.lowerBound...])
          .write(to: file, atomically: true, encoding: .utf8)
      } else {
        #expect(
          text[first.upperBound..<last.lowerBound] == fixture.table.markdown,
          "TAPEDECK_WRITE_DOCS=1 swift test --filter RouteTests rewrites the table")
      }
    }
  }

  @Test func `the OpenAPI document is for every identity and describes every route for programs`() async throws {
    try await WebFixture.run { fixture in
      #expect(try await fixture.get("/api/v1/openapi.json").status == 401)
      let answer = try await fixture.get("/api/v1/openapi.json", as: .metrics)
      #expect(answer.status == 200)
      #expect(answer.json["openapi"] as? String == "3.1.0")
      let paths = try #require(answer.json["paths"] as? [String: [String: Any]])
      for route in fixture.table.routes {
        let operation = paths[route.path]?[route.method.rawValue.lowercased()]
        #expect((operation != nil) == (route.kind == .api), "\(route.path)")
      }
    }
  }

  @Test(arguments: [
    ("/api/v1/recordings?form=2026-01-01", "Unknown parameter 'form'. Did you mean 'from'?"),
    ("/api/v1/recordings?Agent=x", "Unknown parameter 'Agent'. Did you mean 'agent'?"),
    ("/api/v1/audit?limits=1", "Unknown parameter 'limits'. Did you mean 'limit'?"),
    ("/api/v1/platform?source=x", "Unknown parameter 'source'. This route takes none."),
  ])
  func `an unknown parameter of the API is refused with the likely one`(path: String, detail: String) async throws {
    try await WebFixture.run { fixture in
      let answer = try await fixture.get(path, as: .supervisor)
      #expect(answer.status == 400)
      #expect(answer.code == "invalid_request")
      #expect(answer.json["detail"] as? String == detail)
    }
  }

  @Test(arguments: [
    "/?utm=x", "/audit?x=1", "/coverage?x", "/platform?x=1", "/play/r?t=12&x=1", "/login?code=1&state=2",
  ])
  func `pages ignore unknown parameters`(path: String) async throws {
    try await WebFixture.run { fixture in
      try await fixture.archive(try fixture.facts("r"))
      // A signed-in user is redirected from the sign-in page.
      let status = path.hasPrefix("/login") ? 303 : 200
      #expect(try await fixture.page(path, as: .supervisorsBrowser).status == status)
    }
  }

  @Test func `user_role is accepted by ingest and grants nothing`() async throws {
    try await WebFixture.run { fixture in
      try await fixture.archive(try fixture.facts("open"))
      try await fixture.archive(try fixture.facts("secret", privacy: .restricted))
      for role in ["supervisor", "admin", "", "x"] {
        #expect(try await fixture.post("/ingest/open?user_role=\(role)", as: .agent).status == 200)
        #expect(try await fixture.post("/ingest/secret?user_role=\(role)", as: .agent).status == 403)
      }
    }
  }

  @Test func `a plus sign in a query is a space`() async throws {
    try await WebFixture.run { fixture in
      try await fixture.archive(try fixture.facts("r"))
      for query in ["agent=Anna+Agent", "agent=Anna%20Agent", "q=Anna+Agent", "%61gent=Anna+Agent"] {
        let answer = try await fixture.get("/api/v1/recordings?\(query)", as: .supervisor)
        #expect((answer.json["recordings"] as? [Any])?.count == 1, "\(query)")
        #expect(try await fixture.page("/?\(query)", as: .supervisorsBrowser).text.contains("/play/r"), "\(query)")
      }
      let number = try await fixture.get("/api/v1/recordings?q=%2B4930111222", as: .supervisor)
      #expect((number.json["recordings"] as? [Any])?.count == 1)
    }
  }

  @Test(arguments: [
    (HTTPRequest.Method.delete, "/api/v1/recordings", "GET, HEAD, OPTIONS"),
    (.post, "/audio/r.mp3", "GET, HEAD, OPTIONS"), (.get, "/ingest/r", "POST, OPTIONS"),
    (.put, "/api/v1/tokens", "POST, GET, HEAD, OPTIONS"), (.head, "/api/v1/jobs/1/retry", "POST, OPTIONS"),
    (HTTPRequest.Method("PURGE")!, "/", "GET, HEAD, OPTIONS"),
  ])
  func `another method is refused with those that are allowed`(
    method: HTTPRequest.Method, path: String, allow: String
  ) async throws {
    try await WebFixture.run { fixture in
      let answer = try await fixture.send(method, path, as: .supervisor)
      #expect(answer.status == 405)
      #expect(answer.header("Allow") == allow)
      #expect(method == .head || answer.code == "method_not_allowed")
      let options = try await fixture.send(.options, path)
      #expect(options.status == 204)
      #expect(options.header("Allow") == allow)
      #expect(options.header("Access-Control-Allow-Origin") == nil)
    }
  }

  @Test func `an unknown path is a page for browsers and a problem for programs`() async throws {
    try await WebFixture.run { fixture in
      for visitor in [WebFixture.Visitor.anonymous, .agentsBrowser] {
        let page = try await fixture.page("/nothing/here", as: visitor)
        #expect(page.status == 404)
        #expect(page.header("Content-Type") == "text/html; charset=utf-8")
        #expect(page.text.contains("Not found"))
        let problem = try await fixture.get("/nothing/here", as: visitor)
        #expect(problem.status == 404)
        #expect(problem.code == "not_found")
      }
      let known = try await fixture.page("/api/v1/recordings/none", as: .agentsBrowser)
      #expect(known.header("Content-Type") == "application/problem+json")
    }
  }

  /// Addresses that no route takes, and methods that their path does not take.
  @Test(arguments: [
    (HTTPRequest.Method.get, "/nothing/here", 404), (.get, "/play", 404), (.get, "/coverage/none", 404),
    (.post, "/nothing", 404), (.delete, "/", 405), (.put, "/coverage", 405),
  ])
  func `an error page has the navigation of a signed-in user`(
    method: HTTPRequest.Method, path: String, status: Int
  ) async throws {
    try await WebFixture.run { fixture in
      let accept = ["Accept": "text/html"]
      for (visitor, audit) in [(WebFixture.Visitor.agentsBrowser, false), (.supervisorsBrowser, true)] {
        let page = try await fixture.send(method, path, as: visitor, headers: accept)
        #expect(page.status == status)
        #expect(page.text.contains(#"<nav class="top-nav""#) && page.text.contains("Back to recordings"))
        #expect(page.text.contains("Sign out") && !page.text.contains("Sign in"))
        #expect(page.text.contains(#"href="/audit""#) == audit)
        #expect(page.text.contains(#"name="csrf" value="\#(fixture.sessions[visitor]?.csrf ?? "")""#))
      }
      for headers in [accept, accept.merging(["Cookie": "__Host-tapedeck=unknown"]) { $1 }] {
        let page = try await fixture.send(method, path, headers: headers)
        #expect(page.status == status)
        #expect(!page.text.contains("top-nav") && page.text.contains(#"href="/login""#))
      }
    }
  }
}
