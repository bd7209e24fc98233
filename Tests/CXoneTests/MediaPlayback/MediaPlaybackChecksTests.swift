import CXone
import Model
import TestKit
import Testing

@Suite(.timeLimit(.minutes(1))) struct MediaPlaybackChecksTests {
  enum Broken: String, CaseIterable { case nothing, signIn, discovery, search, play, metadata, mediaHost }

  private static let names = [
    "Name of the host 127.0.0.1 (DNS)", "Connection to 127.0.0.1 (HTTP)", "Sign-in", "Discovery",
    "Search for contacts", "Media playback", "First media",
  ]
  /// The check that fails.
  private static let failing: [Broken: String] = [
    .signIn: "Sign-in", .discovery: "Discovery", .search: "Search for contacts", .play: "Media playback",
    .metadata: "Media playback", .mediaHost: "First media",
  ]

  private func checks(_ broken: Broken) async throws -> [SourceCheck] {
    var options = MediaTenant.Options()
    if broken == .signIn { options.signIn = { _, _ in .json(#"{"error":"invalid_grant"}"#, status: 400) } }
    if broken == .discovery { options.discovery = { _ in .response(404) } }
    return try await MediaTenant.run(
      options,
      answer: { request, _, host in
        guard request.target.hasPrefix("/media-playback/") else {
          return broken == .search ? .response(403) : .json(#"{"completedContacts":[{"contactId":1,"isLogged":true}]}"#)
        }
        let isAddressOnly = request.target.contains("isDownload=true")
        if broken == .play || broken == .metadata && !isAddressOnly { return .response(403) }
        return isAddressOnly ? .json(#"{"redirectUrl":"x"}"#) : mediaAnswer("\(host)/call.mp4")
      },
      media: { _, _ in .response(broken == .mediaHost ? 403 : 200) }
    ) { tenant in
      let checks = await tenant.source.checks()
      if broken == .nothing {
        #expect(tenant.mediaRequests.first?.target.contains("acd-call-id=1&") == true)
      }
      #expect(tenant.media.requests.isEmpty == ![.nothing, .mediaHost].contains(broken))
      return checks
    }
  }

  @Test(arguments: Broken.allCases)
  func `what is broken fails, and what depends on it is skipped`(broken: Broken) async throws {
    let checks = try await checks(broken)
    #expect(checks.map(\.name) == Self.names.map { "\($0) of source 'default'" })
    let index = Self.failing[broken].flatMap { Self.names.firstIndex(of: $0) }
    for (number, check) in checks.enumerated() {
      #expect((check.failure != nil) == (number == index))
      #expect(check.isSkipped == (index.map { number > $0 } ?? false))
    }
    #expect(checks.last?.recording?.rawValue == (broken == .nothing ? "1" : nil))
  }

  @Test(arguments: [(Broken.play, "Play Any"), (.metadata, "Extract interaction metadata")])
  func `the media check names the permission that is missing`(broken: Broken, permission: String) async throws {
    let check = try #require(try await checks(broken).first { $0.name.hasPrefix("Media playback") })
    #expect(check.failure?.code == .platformScopeRefused)
    #expect(check.failure?.message.contains(permission) == true)
  }

  @Test func `the remedy of the media check has the names of the permissions`() async throws {
    let check = try #require(try await checks(.play).first { $0.name.hasPrefix("Media playback") })
    #expect(check.failure?.code == .platformScopeRefused)
    #expect(check.remedy.contains("Play Any") && check.remedy.contains("Extract interaction metadata"))
  }
}
