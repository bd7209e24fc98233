import Model

/// The fictional company whose calls the sandbox contains. Telephone numbers are from the block reserved for fiction.
enum CallCentre {
  struct Agent {
    var id: String
    var name: String
    var teamID: String
  }

  struct Campaign {
    var skillID: String
    var skillName: String
    var campaignID: String
    var campaignName: String
  }

  static let agents: [Agent] = [
    ("1001", "Dana Whitfield", "11"), ("1002", "Marcus Oyelaran", "11"), ("1003", "Priya Raman", "11"),
    ("1004", "Tomás Herrera", "11"), ("1005", "Zoë Müller", "12"), ("1006", "Kwame Mensah", "12"),
    ("1007", "Lucy Abernathy", "12"), ("1008", "Yusuf Demir", "12"), ("1009", "Chloé Marchand", "13"),
    ("1010", "Owen Pritchard", "13"), ("1011", "Mei-Ling Zhou", "13"), ("1012", "Rafael Nowak", "13"),
  ].map { Agent(id: $0.0, name: $0.1, teamID: $0.2) }

  static let campaigns: [Campaign] = [
    ("2101", "Billing", "310", "Payment reminders"), ("2102", "Orders", "311", "Delivery updates"),
    ("2103", "Appointments", "312", "Engineer visits"), ("2104", "Retention", "313", "Contract renewals"),
    ("2105", "Complaints", "314", "Customer care"), ("2106", "Sales", "315", "Spring offer"),
  ].map { Campaign(skillID: $0.0, skillName: $0.1, campaignID: $0.2, campaignName: $0.3) }

  static let dispositions = [
    "Resolved", "Callback scheduled", "Payment arranged", "Left message", "Order cancelled", "Appointment booked",
    "Escalated", "No sale", "Sale",
  ]

  static let ownNumber = "+18005550100"

  static func customerNumber(_ random: inout SeededRandom) -> String {
    let area = random.pick(["212", "303", "312", "404", "415", "503", "617", "702", "801"])
    return "+1\(area)55501\(10 + random.next() % 90)"
  }

  /// A recording whose remaining properties are chosen at random.
  static func call(
    id: String, start: Instant, format: WAVFormat, dataBytes: Int, direction: Direction, random: inout SeededRandom
  ) -> SandboxRecording {
    let agent = random.pick(agents)
    let campaign = random.pick(campaigns)
    let customer = customerNumber(&random)
    return SandboxRecording(
      id: id, startTime: start, durationSeconds: Int(format.seconds(dataBytes: dataBytes).rounded()),
      direction: direction, privacy: .standard, agentID: agent.id, agentName: agent.name, teamID: agent.teamID,
      skillID: campaign.skillID, skillName: campaign.skillName, campaignID: campaign.campaignID,
      campaignName: campaign.campaignName,
      fromAddress: direction == .outbound ? ownNumber : customer,
      toAddress: direction == .outbound ? customer : ownNumber,
      contactID: String(460_000_000_000 + random.next() % 10_000_000_000), disposition: random.pick(dispositions),
      format: format, dataBytes: dataBytes, availability: .immediately, isHidden: false)
  }
}
