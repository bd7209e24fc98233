import Foundation
import HTTPTypes
import Hummingbird
import Model

extension SandboxTenant {
  /// `GET /media-playback/v1/contacts`.
  func addMediaEndpoint(to router: Router<SandboxContext>) {
    router.get("/media-playback/v1/contacts") { request, context in
      let contactID = request.uri.queryParameters.get("acd-call-id")
      let call = contactID.flatMap { self.recording(ofContact: $0) }
      return try await exchange(.metadata, request, context, about: call?.id ?? contactID) { exchange in
        try media(of: call, exchange)
      }
    }
  }

  private func media(of recording: SandboxRecording?, _ exchange: Exchange) throws(Refusal) -> Response {
    try authorizeAny(exchange.request)
    let query = exchange.request.uri.queryParameters
    guard let recording else { throw Self.noMedia }
    let now = system.now()
    history.recordRequest(for: recording.id, at: now)
    let status = exchange.has(.statusFlap) ? .processing : history.status(of: recording, at: now)
    guard status == .available else {
      // Both are seen where media is not ready, was not recorded or has expired.
      guard StableHash.fnv1a(recording.id.utf8) % 2 == 0 else { throw Self.noMedia }
      return .json(object: ["interactions": [] as [Any]])
    }
    if query.get("isDownload") == "true" {
      return .json(object: ["redirectUrl": addresses.issue(recording.contactID, part: 0) ?? ""])
    }
    let isAll = query.get("media-type").map { $0 == "all" } ?? true
    let found = interactions(of: recording, isAll: isAll)
    return switch StableHash.fnv1a(recording.contactID.utf8) % 3 {
    case 0: .json(object: ["interactions": found])
    case 1: .json(object: ["Interactions": found])
    default: .json(object: ["value": ["interactions": found]])
    }
  }

  private static var noMedia: Refusal {
    Refusal(.json(object: ["internalCode": 4040, "message": "No media was found."], status: .notFound))
  }

  private func interactions(of recording: SandboxRecording, isAll: Bool) -> [[String: Any]] {
    let special = SpecialCall(recording)
    var found = (0..<recording.partCount).map { voice(recording, part: $0, special) }
    // The later interaction may come first.
    found.reverse()
    switch special {
    case .elevatedChat:
      found.append([
        "@type": "elevatedInteraction", "mediaType": "chat", "startTime": recording.startTime.iso8601,
        "endTime": recording.start(ofPart: 0).iso8601, "data": ["fileToPlayUrl": "https://chat.example/transcript"],
      ])
    case .screen:
      found.append([
        "@type": "screenInteraction", "mediaType": "screen", "startTime": recording.start(ofPart: 0).iso8601,
        "endTime": recording.end(ofPart: 0).iso8601, "data": ["fileToPlayUrl": "https://screen.example/video.mp4"],
      ])
    default:
      if isAll { found.append(["mediaType": "email", "data": [:] as [String: Any]]) }
    }
    return found
  }

  private func voice(_ recording: SandboxRecording, part: Int, _ special: SpecialCall?) -> [String: Any] {
    let (start, end) = (recording.start(ofPart: part), recording.end(ofPart: part))
    func stage(_ type: String, _ from: Int, _ to: Int) -> [String: Any] {
      [
        "stageType": type, "startTime": (start + .seconds(from)).iso8601Milliseconds,
        "endTime": (start + .seconds(to)).iso8601Milliseconds,
      ]
    }
    var stages = [stage("ACTIVE", 0, recording.durationSeconds)]
    if special == .stopOnDemand { stages.append(stage("SOD", 5, 10)) }
    if special == .twoPartsWithStages { stages.append(part == 0 ? stage("HOLD", 3, 7) : stage("MASK", 10, 13)) }
    if special == .holdAndMask { stages += [stage("HOLD", 3, 7), stage("MASK", 10, 13)] }
    let agent: [String: Any] = [
      "participantType": "AGENT", "agentName": recording.agentName, "channel": 0, "voiceStages": stages,
      "recordingID": "rec-\(recording.contactID)-\(part)",
    ]
    let customer: [String: Any] = ["participantType": "CUSTOMER", "channel": 1, "voiceStages": stages]
    func segment(_ number: Int, isRestricted: Bool) -> [String: Any] {
      let direction = number == 0 ? recording.direction.rawValue.uppercased() : "INTERNAL"
      let name = number == 0 ? "customerRestricted" : "isCustomerRestricted"
      return [
        "segmentId": "\(recording.contactID)-\(part)-\(number)", "directionType": direction, name: isRestricted,
        "openReasonType": "CONTACT", "closeReasonType": special == .transferredOn ? "TRANSFER" : "CONTACT",
      ]
    }
    let isRestricted = recording.privacy == .restricted
    let segments = [
      segment(0, isRestricted: isRestricted && special != .restrictedCustomer), segment(1, isRestricted: isRestricted),
    ]
    var data: [String: Any] = ["participantDataList": [agent, customer], "segmentsDataList": segments]
    let isMissing = special == .missingPart && part == 1
    if !isMissing, let address = addresses.issue(recording.contactID, part: part) { data["fileToPlayUrl"] = address }
    return [
      "@type": "voiceInteraction", "mediaType": "voice", "startTime": start.iso8601Milliseconds,
      "endTime": end.iso8601Milliseconds, "data": data,
    ]
  }
}
