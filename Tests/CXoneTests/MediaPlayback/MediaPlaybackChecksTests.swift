import CXone
import Model
import TestKit
import Testing

@Suite(.timeLimit(.minutes(1))) struct MediaPlaybackChecksTests {
  enum Broken: String, CaseIterable { case nothing, signIn, discovery, search, media }

  private func checks(_ broken: Broken) async throws -> [SourceCheck] {
    var options = MediaTenant.Options()
    if broken == .signIn { options.signIn = { _, _ in .json(#"{"error":"invalid_grant"}"#, status: 400) } }
    if broken == .discovery { options.discovery = { _ in .response(404) } }
    return try await MediaTenant.run(options) { request, _, _ in
      if request.target.hasPrefix("/media-playback/") { return .response(broken == .media ? 403 : 404) }
      return broken == .search ? .response(403) : .json(#"{"completedContacts":[{"contactId":1,"isLogged":true}]}"#)
    } _: { tenant in
      let checks = await tenant.source.checks()
      if broken == .nothing {
        #expect(tenant.mediaRequests.first?.target.contains("acd-call-id=1&") == true)
      }
      #expect(tenant.media.requests.isEmpty)
      return checks
    }
  }

  @Test(arguments: Broken.allCases)
  func `what is broken fails, and what depends on it is skipped`(broken: Broken) async throws {
    let checks = try await checks(broken)
    #expect(
      checks.map(\.name)
        == ["Sign-in", "Discovery", "Search for contacts", "Media playback"].map {
          "\($0) of source 'default'"
        })
    let index = (Broken.allCases.firstIndex(of: broken) ?? 0) - 1
    for (number, check) in checks.enumerated() {
      #expect((check.failure != nil) == (number == index))
      #expect(check.isSkipped == (index >= 0 && number > index))
    }
  }

  @Test func `the remedy of the media check has the names of the permissions`() async throws {
    let check = try #require(try await checks(.media).last)
    #expect(check.failure?.code == .platformScopeRefused)
    #expect(check.remedy.contains("Play Any") && check.remedy.contains("Extract interaction metadata"))
  }
}
