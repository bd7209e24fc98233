import CXone
import Foundation
import Model
import TestKit
import Testing

@Suite(.timeLimit(.minutes(1))) struct SignInTests {
  private func locate(_ options: MediaTenant.Options, _ check: (MediaTenant) throws -> Void) async throws {
    try await MediaTenant.run(options) { _, _, _ in
      .response(404)
    } _: { tenant in
      _ = try? await tenant.source.locate(callID)
      try check(tenant)
    }
  }

  @Test func `the access key is form-encoded, and the client percent-encoded in HTTP Basic`() async throws {
    var options = MediaTenant.Options()
    options.clientID = "client@1"
    options.clientSecret = "a:b c"
    try await locate(options) { tenant in
      let request = try #require(tenant.signIns.first)
      #expect(tenant.signIns.count == 1)
      #expect(request.method == "POST" && request.target == "/auth/token")
      #expect(request.header("Content-Type") == "application/x-www-form-urlencoded")
      #expect(request.text == "grant_type=password&username=key-id&password=key%2Fsecret%2B%3D%3D%3D%3D")
      let credentials = Data("client%401:a%3Ab%20c".utf8).base64EncodedString()
      #expect(request.header("Authorization") == "Basic \(credentials)")
    }
  }

  @Test func `every request to the platform asks for JSON and has an ID for support`() async throws {
    try await locate(.init()) { tenant in
      #expect(tenant.platform.requests.count >= 3)
      for request in tenant.platform.requests {
        #expect(request.header("Accept") == "application/json")
        #expect(request.header("CorrelationId").flatMap { UUID(uuidString: $0) } != nil)
      }
      let ids = tenant.platform.requests.compactMap { $0.header("CorrelationId") }
      #expect(Set(ids).count == ids.count)
    }
  }

  @Test func `a client that is refused as encoded is sent as it is, and that form is used from then on`() async throws {
    var options = MediaTenant.Options()
    options.clientSecret = "a:b"
    let plain = "Basic " + Data("client:a:b".utf8).base64EncodedString()
    options.signIn = { request, number in
      request.header("Authorization") == plain
        ? MediaTenant.tokenReply(number, expiresIn: "0") : .json(#"{"error":"invalid_client"}"#, status: 401)
    }
    try await MediaTenant.run(options) { _, _, _ in
      .response(404)
    } _: { tenant in
      _ = try await tenant.source.locate(callID)
      let forms = tenant.signIns.map { $0.header("Authorization") == plain }
      // A lifetime of 0 s renews the token for each request.
      #expect(forms.first == false && forms.dropFirst().allSatisfy { $0 } && forms.count > 2)
    }
  }

  @Test func `a wrong access key is 400 invalid_grant, and is not sent again`() async throws {
    var options = MediaTenant.Options()
    options.signIn = { _, _ in .json(#"{"error":"invalid_grant"}"#, status: 400) }
    try await MediaTenant.run(options) { _, _, _ in
      .response(500)
    } _: { tenant in
      let error = await failure { _ = try await tenant.source.locate(callID) }
      #expect(error?.code == .platformCredentialsRefused)
      #expect(error?.message.contains("CXONE_ACCESS_KEY_ID") == true)
      #expect(error?.message.contains("Access Key: Create") == true)
      #expect(tenant.signIns.count == 1)
    }
  }

  @Test func `a wrong application is 401 invalid_client`() async throws {
    var options = MediaTenant.Options()
    options.basicEncoding = .encoded
    options.signIn = { _, _ in .json(#"{"error":"invalid_client"}"#, status: 401) }
    try await MediaTenant.run(options) { _, _, _ in
      .response(500)
    } _: { tenant in
      let error = await failure { _ = try await tenant.source.locate(callID) }
      #expect(error?.code == .platformCredentialsRefused)
      #expect(error?.message.contains("CXONE_CLIENT_ID") == true)
      #expect(error?.message.contains("CXONE_ACCESS_KEY_ID") == false)
    }
  }

  @Test func `without a client the older call is used, with a lifetime as text`() async throws {
    let clock = TestClock()
    var options = MediaTenant.Options()
    (options.clientID, options.clientSecret, options.system) = ("", "", clock.system())
    options.signIn = { _, number in MediaTenant.tokenReply(number, expiresIn: #""3600""#) }
    try await MediaTenant.run(options) { _, _, _ in
      .response(404)
    } _: { tenant in
      _ = try await tenant.source.locate(callID)
      let request = try #require(tenant.signIns.first)
      #expect(request.target == "/authentication/v1/token/access-key")
      #expect(request.header("Content-Type") == "application/json")
      #expect(request.header("Authorization") == nil)
      #expect(request.text == #"{"accessKeyId":"key-id","accessKeySecret":"key/secret+===="}"#)
      clock.advance(by: .seconds(3539))
      _ = try await tenant.source.locate(callID)
      #expect(tenant.signIns.count == 1)
      clock.advance(by: .seconds(1))
      _ = try await tenant.source.locate(callID)
      #expect(tenant.signIns.count == 2)
    }
  }

  @Test func `a refused token is renewed once, by sending the credentials again`() async throws {
    try await MediaTenant.run { request, _, _ in
      request.header("Authorization") == "Bearer \(MediaTenant.token(0))" ? .response(401) : .response(404)
    } _: { tenant in
      let located = try await tenant.source.locate(callID)
      #expect(located.availability == .notYet)
      #expect(tenant.signIns.count == 2)
      #expect(tenant.signIns.allSatisfy { $0.text.hasPrefix("grant_type=password&") })
    }
  }

  // MARK: Hosts

  @Test func `the tenant of the token is discovered, once`() async throws {
    try await locate(.init()) { tenant in
      #expect(tenant.discoveries.map(\.target) == ["/.well-known/cxone-configuration?tenantId=\(MediaTenant.tenantID)"])
      #expect(tenant.discoveries.first?.header("Authorization") == nil)
    }
  }

  @Test func `a configured tenant and configured addresses take precedence`() async throws {
    var options = MediaTenant.Options()
    options.tenantID = "configured"
    try await locate(options) { tenant in
      #expect(tenant.discoveries.map(\.target) == ["/.well-known/cxone-configuration?tenantId=configured"])
    }
    options.hasACDAddress = true
    try await locate(options) { tenant in #expect(tenant.discoveries.isEmpty) }
  }

  @Test func `an unknown tenant is a wrong setting`() async throws {
    var options = MediaTenant.Options()
    options.discovery = { _ in .response(404) }
    try await MediaTenant.run(options) { _, _, _ in
      .response(500)
    } _: { tenant in
      let error = await failure { _ = try await tenant.source.locate(callID) }
      #expect(error?.code == .configurationInvalid)
      #expect(error?.message.contains("CXONE_TENANT_ID") == true)
    }
  }

  private func access(issuer: String = MediaPlaybackAccess.standardIssuer) throws -> MediaPlaybackAccess {
    try MediaPlaybackAccess(accessKeyID: "k", accessKeySecret: "s", issuerURL: issuer)
  }

  @Test func `area and domain give the address of the media API`() throws {
    let body = #"{"Area":"na1","domain":"niceincontact.com","api_endpoint":"https://api-c1.nice-incontact.com/"}"#
    let hosts = try PlatformHosts(discovered: body, for: access())
    #expect(hosts == PlatformHosts(acd: "https://api-c1.nice-incontact.com", area: "https://api-na1.niceincontact.com"))
  }

  @Test(arguments: [
    #"{"area":"na1","domain":"evil.example","api_endpoint":"https://api-c1.nice-incontact.com"}"#,
    #"{"area":"na1","domain":"niceincontact.com","api_endpoint":"https://api.evil.example"}"#,
    #"{"area":"na1","domain":"niceincontact.com","api_endpoint":"http://api-c1.nice-incontact.com"}"#,
    #"{"area":"na1/x?","domain":"niceincontact.com@evil.example","api_endpoint":"https://c1.nice-incontact.com"}"#,
    #"{"domain":"niceincontact.com","api_endpoint":"https://api-c1.nice-incontact.com"}"#,
    "[]", "",
  ])
  func `the token is not sent to a host that discovery alone names`(body: String) throws {
    let access = try access(issuer: "https://cxone-gov.niceincontact.com")
    #expect(throws: TapedeckError.self) { try PlatformHosts(discovered: body, for: access) }
  }
}
