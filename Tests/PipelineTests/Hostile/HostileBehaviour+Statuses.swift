import Model
import TestKit

extension HostileBehaviour {
  /// Refusals and redirects of a resumed download.
  static let statuses: [HostileBehaviour] = [
    HostileBehaviour("429 with Retry-After", .resumed(.close)) { _ in .response(429, ["Retry-After": "2"]) },
    HostileBehaviour("429 without Retry-After", .resumed(.close)) { _ in .response(429) },
    HostileBehaviour("503 with a web page", .resumed(.close)) { _ in .response(503, body: HostileExchange.page) },
    HostileBehaviour("500 ever after", .everResumed, ending: unlessComplete(.platformUnavailable)) { _ in .response(500)
    },
    HostileBehaviour("401 once", .resumed(.close)) { _ in .response(401) },
    HostileBehaviour("401 ever after", .everResumed, ending: unlessComplete(.platformCredentialsRefused)) { _ in
      .response(401)
    },
    HostileBehaviour("403", .resumed(.close), ending: unlessComplete(.platformRefused)) { _ in .response(403) },
    HostileBehaviour("404", .resumed(.close)) { _ in .response(404) },
    HostileBehaviour("204", .resumed(.close)) { _ in
      .init([.send(Array("HTTP/1.1 204 No Content\r\n\r\n".utf8))])
    },
    HostileBehaviour("redirected on the same host", .everResumed) {
      $0.isRedirected ? $0.correct($0.file) : .response(302, ["Location": $0.elsewhere])
    },
    HostileBehaviour("redirected to a changed file", .everResumed) {
      $0.isRedirected ? $0.odd($0.changed) : .response(302, ["Location": $0.elsewhere])
    },
    HostileBehaviour("redirected to another host", .resumed(.close), ending: unlessComplete(.platformProtocol)) { _ in
      .response(302, ["Location": "https://elsewhere.example/file.wav"])
    },
    HostileBehaviour("redirected to plain http", .resumed(.close), ending: unlessComplete(.platformProtocol)) { _ in
      .response(307, ["Location": "http://elsewhere.example/file.wav"])
    },
    HostileBehaviour("redirected for ever", .everResumed, ending: unlessComplete(.platformProtocol)) {
      .response(302, ["Location": $0.elsewhere])
    },
  ]

  static let all = connections + ranges + versions + contents + statuses
}
