import Model
import Testing
import Webhooks

@Suite struct WebhookSignerTests {
  static let known = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

  @Test func `the signature of the published example matches`() throws {
    let signer = WebhookSigner(try WebhookSecret(Self.known))
    let signature = signer.signature(
      id: "msg_p5jXN8AQM9LWM0D4loKWxJek", timestamp: 1_614_265_330, body: Array(#"{"test": 2432232314}"#.utf8))
    #expect(signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=")
  }

  @Test func `during a rotation every secret signs, the current one first`() throws {
    let old = try WebhookSecret(Self.known)
    let new = WebhookSecret.make()
    func sign(_ signer: WebhookSigner) -> String { signer.signature(id: "m", timestamp: 1, body: [0x7B, 0x7D]) }
    #expect(
      sign(WebhookSigner(new, previous: [old])) == sign(WebhookSigner(new)) + " " + sign(WebhookSigner(old)))
  }

  @Test func `a new secret is random and can be stored`() throws {
    let secret = WebhookSecret.make()
    #expect(secret != WebhookSecret.make())
    #expect(secret.revealed.hasPrefix("whsec_"))
    #expect(try WebhookSecret(secret.revealed) == secret)
    #expect(try WebhookSecret(Self.known).revealed == Self.known)
  }

  @Test(arguments: [
    "", "whsec_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_canary", "whsec_AAAA",
    "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS!",
    "whsec_" + String(repeating: "AAAA", count: 22),
  ])
  func `a malformed secret is rejected with the name of the setting but not its value`(text: String) {
    let error = #expect(throws: TapedeckError.self) { try WebhookSecret(text) }
    #expect(error?.code == .configurationInvalid)
    #expect(error?.message.contains("QM_WEBHOOK_SECRET") == true)
    #expect(error?.message.contains("canary") == false)
  }

  @Test func `a secret is not printed`() throws {
    let secret = try WebhookSecret(Self.known)
    var dumped = ""
    dump(secret, to: &dumped)
    dump(WebhookSigner(secret), to: &dumped)
    #expect(!"\(secret) \(String(reflecting: secret)) \(dumped)".contains("MfKQ"))
    #expect(!dumped.contains("49"))
  }
}
