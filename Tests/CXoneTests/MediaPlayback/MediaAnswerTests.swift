import CXone
import Model
import TestKit
import Testing

@Suite(.timeLimit(.minutes(1))) struct MediaAnswerTests {
  private func locate(_ reply: ScriptedServer.Reply) async throws -> Located {
    try await MediaTenant.run { request, _, _ in
      request.target.hasPrefix("/media-playback/") ? reply : .response(204)
    } _: { tenant in
      try await tenant.source.locate(callID)
    }
  }

  private func locate(_ interactions: String...) async throws -> Located {
    try await locate(.json(#"{"interactions":[\#(interactions.joined(separator: ","))]}"#))
  }

  private static let address = "https://bucket.s3.amazonaws.com/x?X-Amz-Signature=s"

  @Test func `one request returns addresses and metadata`() async throws {
    try await MediaTenant.run { _, _, _ in
      mediaAnswer(Self.address)
    } _: { tenant in
      let located = try await tenant.source.locate(callID)
      #expect(located.availability == .available && located.parts.map(\.locator) == [PartLocator(callID)])
      #expect(
        tenant.mediaRequests.map(\.target) == [
          "/media-playback/v1/contacts?acd-call-id=460000000001&media-type=voice-only&exclude-waveforms=true"
            + "&exclude-qm-categories=true&isDownload=false"
        ])
      #expect(tenant.mediaRequests.first?.header("Authorization") == "Bearer \(MediaTenant.token(0))")
      #expect(tenant.fileRequests.isEmpty)
    }
  }

  @Test(arguments: [
    #"{"interactions":[I]}"#, #"{"Interactions":[I]}"#, #"{"value":{"interactions":[I]}}"#,
    #"{"value":{"Interactions":[I]}}"#, #"{"value":[I]}"#, "[I]",
  ])
  func `the interactions are found in every wrapper`(form: String) async throws {
    let body = form.replacing("I]", with: interaction(Self.address) + "]")
    #expect(try await locate(.json(body)).availability == .available)
  }

  @Test(arguments: [
    (404, ""), (404, #"{"internalCode":4040,"message":"none"}"#), (204, ""), (200, #"{"interactions":[]}"#),
    (200, "{}"),
    (200, #"{"interactions":null}"#), (200, #"{"interactions":[ADDRESSLESS]}"#), (200, ""),
  ])
  func `media that is not there looks the same in every form`(status: Int, form: String) async throws {
    let located = try await locate(.json(form.replacing("ADDRESSLESS", with: interaction("")), status: status))
    #expect(located.availability == .notYet && located.parts.isEmpty)
    #expect(located.facts.status == .processing)
  }

  @Test(arguments: [
    (403, TapedeckError.Code.platformScopeRefused), (500, .platformUnavailable), (400, .platformRefused),
  ])
  func `an error is not mistaken for missing media`(status: Int, code: TapedeckError.Code) async throws {
    try await MediaTenant.run { _, _, _ in
      .json("{}", status: status)
    } _: { tenant in
      let error = await failure { _ = try await tenant.source.locate(callID) }
      #expect(error?.code == code)
    }
  }

  @Test func `a missing permission is named as NICE names it, with both names of the menu`() async throws {
    try await MediaTenant.run { _, _, _ in
      .response(403)
    } _: { tenant in
      let message = try #require(await failure { _ = try await tenant.source.locate(callID) }?.message)
      #expect(message.contains("Search & Playback > Player > Play/download recordings: Play Any"))
      #expect(message.contains("Search & Playback > API > Extract interaction metadata"))
      #expect(message.contains("Interactions Hub"))
    }
  }

  @Test func `an answer that is not JSON is an error`() async throws {
    try await MediaTenant.run { _, _, _ in
      .json("<html>")
    } _: { tenant in
      #expect(await failure { _ = try await tenant.source.locate(callID) }?.code == .platformProtocol)
    }
  }

  // MARK: Interactions

  @Test func `two interactions are two parts, in the order of time`() async throws {
    let located = try await locate(
      interaction(Self.address, minute: 5), interaction(Self.address, minute: 2))
    #expect(located.parts.map(\.locator.part) == [0, 1])
    #expect(
      located.parts.map(\.startTime) == [
        Instant(iso8601: "2026-01-15T10:02:00Z"), Instant(iso8601: "2026-01-15T10:05:00Z"),
      ])
    #expect(located.facts.startTime == Instant(iso8601: "2026-01-15T10:02:00Z"))
    #expect(located.facts.endTime == Instant(iso8601: "2026-01-15T10:06:00Z"))
  }

  @Test func `a missing part leaves the numbers of the others, and is named`() async throws {
    let located = try await locate(interaction("", minute: 1), interaction(Self.address, minute: 3))
    #expect(located.availability == .available && located.parts.map(\.locator.part) == [1])
    #expect(located.missingParts == 1)
    #expect(located.skipped == ["The platform has no media for 1 of the 2 parts of the call."])
  }

  @Test func `screen recordings and chat are skipped with a reason`() async throws {
    let located = try await locate(
      interaction(Self.address), #"{"mediaType":"Screen","data":{"fileToPlayUrl":"https://x.example/1"}}"#,
      #"{"@type":"elevatedInteraction","mediaType":"chat","data":{"fileToPlayUrl":"https://x.example/2"}}"#)
    #expect(located.parts.count == 1)
    #expect(located.skipped.count == 2)
    #expect(located.skipped.contains("The call has a screen recording, which is not archived."))
    #expect(located.skipped.contains("The call has media of the type 'chat', which is not archived."))
  }

  @Test func `a call with nothing but a chat has no media`() async throws {
    let located = try await locate(#"{"mediaType":"chat","data":{"fileToPlayUrl":"https://x.example/2"}}"#)
    #expect(located.availability == .notYet && located.skipped.count == 1)
  }

  // MARK: Privacy and direction

  @Test(arguments: [
    (#"[{"customerRestricted":false},{"customerRestricted":true}]"#, Privacy.restricted, true),
    (#"[{"isCustomerRestricted":true},{"customerRestricted":false}]"#, .restricted, true),
    (#"[{"customerRestricted":false,"isCustomerRestricted":"true"}]"#, .restricted, true),
    (#"[{"customerRestricted":false}]"#, .standard, true), (#"[{"segmentId":"1"}]"#, .standard, true),
    ("[]", .restricted, false), ("null", .restricted, false),
  ])
  func `any restricted segment restricts the call; without segments the privacy stays unknown`(
    segments: String, privacy: Privacy, isKnown: Bool
  ) async throws {
    let facts = try await locate(interaction(Self.address, segments: segments)).facts
    #expect(facts.privacy == privacy && facts.isPrivacyKnown == isKnown)
  }

  @Test func `a restriction in another interaction restricts the call`() async throws {
    let facts = try await locate(
      interaction(Self.address, segments: #"[{"customerRestricted":false}]"#),
      interaction("", minute: 3, segments: #"[{"customerRestricted":true}]"#)
    ).facts
    #expect(facts.privacy == .restricted && facts.isPrivacyKnown)
  }

  @Test(
    arguments: [
      (["OUTBOUND", "INBOUND"], Direction.outbound), (["INTERNAL", "OUTBOUND"], .outbound), (["INTERNAL"], .internal),
      (["UNKNOWN"], nil), (["UNKNOWN", "INBOUND"], .inbound),
    ] as [([String], Direction?)])
  func `the first segment that is no consultation has the direction`(
    types: [String], direction: Direction?
  ) async throws {
    let segments = types.map { #"{"directionType":"\#($0)"}"# }.joined(separator: ",")
    #expect(try await locate(interaction(Self.address, segments: "[\(segments)]")).facts.direction == direction)
  }

  // MARK: Lanes and stages

  private func part(_ participants: String) async throws -> LocatedPart {
    try #require(try await locate(interaction(Self.address, participants: participants)).parts.first)
  }

  private func stage(_ type: String, _ from: Int, _ to: Int) -> String {
    #"{"stageType":"\#(type)","startTime":"2026-01-15T10:00:\#(from)Z","endTime":"2026-01-15T10:00:\#(to)Z"}"#
  }

  @Test func `the channel of a participant is its lane`() async throws {
    let part = try await part(
      #"""
      [{"participantType":"CUSTOMER","channel":"1"},{"participantType":"AGENT","agentName":"Zoë","channel":0},
      {"participantType":"AGENT","agentName":"No channel"}]
      """#)
    #expect(
      part.lanes == [
        MediaLane(channel: 0, speaker: .agent, name: "Zoë"), MediaLane(channel: 1, speaker: .customer),
      ])
  }

  @Test func `holds, masks and recording on demand are stages; other stages are not`() async throws {
    let stages = [
      stage("ACTIVE", 10, 59), stage("HOLD", 20, 25), stage("MASK", 30, 35), stage("ThreadFocused", 10, 50),
      stage("WRAP_UP", 50, 59), stage("SOD", 40, 50),
    ].joined(separator: ",")
    // Both participants have the same stages.
    let participants = ["AGENT", "CUSTOMER"].map { #"{"participantType":"\#($0)","voiceStages":[\#(stages)]}"# }
    let part = try await part("[\(participants.joined(separator: ","))]")
    #expect(
      part.stages == [
        MediaStage(.hold, start: .seconds(20), end: .seconds(25)),
        MediaStage(.mask, start: .seconds(30), end: .seconds(35)),
        MediaStage(.stopOnDemand, start: .seconds(40), end: .seconds(50)),
      ])
  }

  @Test(
    arguments: [
      ([], 60), (["HOLD 10 20", "MASK 30 40"], 60), (["SOD 20 30"], 50), (["ROD 20 30"], 10),
      (["ROD 10 20", "ROD 30 50"], 30), (["ROD 10 30", "ROD 20 40"], 30), (["ROD 10 40", "SOD 20 30"], 20),
      (["SOD 10 30", "SOD 20 40"], 30),
    ] as [([String], Int)])
  func `recording and stopping on demand shorten the expected length`(stages: [String], seconds: Int) async throws {
    let list = stages.map { text in
      let words = text.split(separator: " ")
      return stage(String(words[0]), Int(words[1])!, Int(words[2])!)
    }.joined(separator: ",")
    let part = try await part(#"[{"participantType":"AGENT","voiceStages":[\#(list)]}]"#)
    #expect(part.expectedDuration == .seconds(seconds))
  }
}
