import Model

/// A recording in the JSON form of the contract.
struct RecordingAnswer: Encodable {
  struct Links: Encodable { var download: String }

  var id: String
  var status: String
  var startTime: String
  var endTime: String
  var duration: Int
  var privacy: String
  var direction: String
  var agentId: String
  var agentName: String
  var teamId: String
  var skillId: String
  var skillName: String
  var campaignId: String
  var campaignName: String
  var fromAddress: String
  var toAddress: String
  var contactId: String
  var disposition: String
  var mediaType = "voice"
  var links: Links

  init(_ recording: SandboxRecording, status: PlatformStatus, base: String) {
    id = recording.id
    self.status = status.rawValue
    startTime = recording.startTime.iso8601
    endTime = recording.endTime.iso8601
    duration = recording.durationSeconds
    privacy = recording.privacy.rawValue
    direction = recording.direction.rawValue
    agentId = recording.agentID
    agentName = recording.agentName
    teamId = recording.teamID
    skillId = recording.skillID
    skillName = recording.skillName
    campaignId = recording.campaignID
    campaignName = recording.campaignName
    fromAddress = recording.fromAddress
    toAddress = recording.toAddress
    contactId = recording.contactID
    disposition = recording.disposition
    let segment = RecordingID(recording.id)?.pathSegment ?? recording.id
    links = Links(download: "\(base)/api/v2/recording/\(segment)/download")
  }
}
