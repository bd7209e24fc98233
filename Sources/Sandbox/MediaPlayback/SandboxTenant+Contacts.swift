import Foundation
import HTTPTypes
import Hummingbird
import Model

extension SandboxTenant {
  /// `GET /incontactapi/services/{version}/contacts/completed`.
  func addContactEndpoints(to router: Router<SandboxContext>) {
    router.get("/incontactapi/services/:version/contacts/completed") { request, context in
      try await exchange(.search, request, context) { exchange in try contacts(exchange.request) }
    }
  }

  /// One leg of a call.
  private struct Leg {
    var contactID: String
    var recording: SandboxRecording
    var number: Int
  }

  private func contacts(_ request: Request) throws(Refusal) -> Response {
    try authorizeAny(request)
    let query = request.uri.queryParameters
    let isVoice = query.get("mediaTypeId").map { $0 == "4" } ?? true
    var legs = isVoice ? allLegs : []
    if let text = query.get("updatedSince") {
      let since = try moment(text)
      legs = legs.filter { updatedAt($0.recording) >= since }
    } else {
      guard let startText = query.get("startDate"), let endText = query.get("endDate") else {
        throw badRequest("startDate and endDate are required")
      }
      let (start, end) = (try moment(startText), try moment(endText))
      legs = legs.filter { start <= $0.recording.startTime && $0.recording.startTime < end }
    }
    guard let skip = Int(query.get("skip") ?? "0"), skip >= 0 else { throw badRequest("skip is not a number") }
    guard let top = Int(query.get("top") ?? "100"), (1...10_000).contains(top) else {
      throw badRequest("top must be from 1 to 10000")
    }
    let page = legs.dropFirst(skip).prefix(top)
    guard !page.isEmpty else { return Response(status: .noContent) }
    var links: [String: Any] = ["self": request.uri.path]
    if skip + page.count < legs.count { links["next"] = "\(request.uri.path)?skip=\(skip + page.count)&top=\(top)" }
    return .json(
      object: [
        "businessUnitId": 1, "lastPollTime": system.now().iso8601, "totalRecords": legs.count, "_links": links,
        "completedContacts": page.map(row),
      ])
  }

  /// The legs of all calls, by their start. Those of one call are not next to each other where other calls begin.
  private var allLegs: [Leg] {
    recordings.filter { !$0.isHidden }.flatMap { recording in
      (0..<recording.legCount).map { number in
        let leg = number == 0 ? recording.contactID : "\(recording.contactID)\(number)"
        return Leg(contactID: leg, recording: recording, number: number)
      }
    }
  }

  private func row(_ leg: Leg) -> [String: Any] {
    let recording = leg.recording
    let special = SpecialCall(recording)
    let isRecorded = special != .neverRecorded && recording.availability != .failed
    let agent = leg.number == 0 ? recording.agentName : "Robin Castellanos"
    let names = agent.split(separator: " ", maxSplits: 1).map(String.init)
    let isErased = special == .anonymized
    let addresses =
      isErased ? ["nic_anonymize.com", "nic_anonymize.com"] : [recording.fromAddress, recording.toAddress]
    let start = recording.startTime + .seconds(10 * leg.number)
    let seconds = Int((recording.contactEnd - start).inSeconds)
    let agentID = leg.number == 0 ? recording.agentID : "1099"
    let (transfer, reason) =
      special == .transferredOn ? ("Cold Transfer", "Transferred") : ("None", "Contact Hung Up")
    let firstName: String = names.first ?? ""
    let lastName: String = names.last ?? ""
    var row: [String: Any] = [
      "contactId": leg.contactID, "masterContactId": recording.contactID, "agentId": agentID, "firstName": firstName,
      "lastName": lastName, "teamId": recording.teamID, "skillId": recording.skillID, "skillName": recording.skillName,
      "campaignId": recording.campaignID, "campaignName": recording.campaignName, "isLogged": isRecorded,
      "totalDurationSeconds": seconds, "primaryDispositionId": 1, "transferIndicatorName": transfer,
      "endReason": reason,
    ]
    // A consultation between agents has no direction.
    if leg.number < 2 { row["isOutbound"] = leg.number == 0 && recording.direction == .outbound }
    // Names and types changed between versions.
    let isOld = StableHash.fnv1a(recording.contactID.utf8) % 2 == 0
    row[isOld ? "contactStart" : "contactStartDate"] = start.iso8601Milliseconds
    row[isOld ? "fromAddr" : "fromAddress"] = addresses[0]
    row[isOld ? "toAddr" : "toAddress"] = addresses[1]
    row[isOld ? "ACWSeconds" : "acwSeconds"] = 4
    row[isOld ? "mediaType" : "mediaTypeId"] = 4
    if isOld { row["contactId"] = Int(leg.contactID) ?? 0 }
    return row
  }

  private func updatedAt(_ recording: SandboxRecording) -> Instant {
    SpecialCall(recording) == .anonymized ? system.now() : recording.contactEnd
  }

  /// - Throws: `Refusal` unless the request has a valid token.
  func authorizeAny(_ request: Request) throws(Refusal) {
    guard let header = request.headers[.authorization], header.lowercased().hasPrefix("bearer "),
      tokens.accepts(String(header.dropFirst(7)))
    else { throw .invalidToken() }
  }

  private func moment(_ text: String) throws(Refusal) -> Instant {
    // Like the platform, accept a literal Z only.
    guard text.hasSuffix("Z"), let instant = Instant(iso8601: text) else { throw badRequest("invalid date") }
    return instant
  }

  private func badRequest(_ reason: String) -> Refusal {
    Refusal(Response(status: .badRequest, headers: [.statusDescription: reason]))
  }
}
