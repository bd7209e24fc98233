import Foundation
import Hummingbird
import Model
import Sandbox
import Testing

@Suite struct TokenTests {
  private let form = ("Content-Type", "application/x-www-form-urlencoded")

  private func basic(_ text: String) -> (String, String) {
    ("Authorization", "Basic \(Data(text.utf8).base64EncodedString())")
  }

  @Test func `valid credentials get a token with lifetime and scopes`() async throws {
    try await RunningTenant.run { running in
      let answer = try await running.request(
        "POST", "/oauth2/token", headers: [basic("sandbox-client:sandbox-secret"), form],
        body: "grant_type=client_credentials")
      #expect(answer.status == 200)
      let json = try answer.json()
      #expect(json["token_type"] as? String == "Bearer")
      #expect(json["expires_in"] as? Int == 3600)
      #expect(json["scope"] as? String == "recording:read recording:download")
      let token = try #require(json["access_token"] as? String)
      #expect(try await running.get("/api/v2/recordings", token: token).status == 200)
    }
  }

  @Test func `credentials may be percent-encoded as the standard requires`() async throws {
    try await RunningTenant.run {
      $0.clientSecret = "a:b%c=="
    } _: { running in
      for secret in ["a:b%c==", "a%3Ab%25c%3D%3D"] {
        let answer = try await running.request(
          "POST", "/oauth2/token", headers: [basic("sandbox-client:\(secret)"), form],
          body: "grant_type=client_credentials")
        #expect(answer.status == 200)
      }
    }
  }

  @Test func `invalid credentials and forms are refused`() async throws {
    try await RunningTenant.run { running in
      func status(_ headers: [(String, String)], _ body: String) async throws -> Int {
        try await running.request("POST", "/oauth2/token", headers: headers, body: body).status
      }
      let right = basic("sandbox-client:sandbox-secret")
      let wrong = try await status([basic("sandbox-client:wrong"), form], "grant_type=client_credentials")
      #expect(wrong == 401)
      #expect(try await status([form], "grant_type=client_credentials") == 401)
      #expect(try await status([right, form], "grant_type=password") == 400)
      #expect(try await status([right, form], "x=y") == 400)
      #expect(try await status([right], "grant_type=client_credentials") == 400)
    }
  }

  @Test func `a token expires after its lifetime`() async throws {
    let clock = TestClock()
    try await RunningTenant.run(system: clock.system) {
      $0.tokenLifetime = 60
    } _: { running in
      let token = try await running.token()
      clock.advance(.seconds(59))
      #expect(try await running.get("/api/v2/recordings", token: token).status == 200)
      clock.advance(.seconds(1))
      let expired = try await running.get("/api/v2/recordings", token: token)
      #expect(expired.status == 401)
      #expect(expired.header("WWW-Authenticate") == "Bearer error=\"invalid_token\"")
      let second = try await running.token()
      #expect(second != token)
      #expect(try await running.get("/api/v2/recordings", token: second).status == 200)
    }
  }

  @Test func `a token without a required scope gets 403`() async throws {
    try await RunningTenant.run {
      $0.scopes = ["recording:read"]
    } _: { running in
      let token = try await running.token()
      #expect(try await running.get("/api/v2/recording/codec-gsm", token: token).status == 200)
      let refused = try await running.download("codec-gsm", token: token)
      #expect(refused.status == 403)
      #expect(refused.text.contains("recording:download"))
    }
  }

  @Test func `the tenant listens on loopback only`() {
    #expect {
      _ = try tenant { $0.listenHost = "0.0.0.0" }
    } throws: {
      ($0 as? TapedeckError)?.code == .configurationInvalid
    }
  }

  @Test func `requests above the rate get 429 until time has passed`() async throws {
    let clock = TestClock()
    try await RunningTenant.run(system: clock.system) {
      $0.rate = 2
    } _: { running in
      let token = try await running.token()
      #expect(try await running.get("/api/v2/recordings", token: token).status == 200)
      let limited = try await running.get("/api/v2/recordings", token: token)
      #expect(limited.status == 429)
      #expect(limited.header("Retry-After") == "1")
      clock.advance(.seconds(1))
      #expect(try await running.get("/api/v2/recordings", token: token).status == 200)
    }
  }
}
