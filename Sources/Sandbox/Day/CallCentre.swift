import Model

/// The made-up company whose calls the sandbox holds. Telephone numbers are of the block that is reserved for fiction.
enum CallCentre {
  struct Agent {
    var id: String
    var name: String
    var teamID: String
  }

  struct Line {
    var skillID: String
    var skillName: String
    var campaignID: String
    var campaignName: String
  }

  static let agents: [Agent] = [
    ("1001", "Dana Whitfield", "11"), ("1002", "Marcus Oyelaran", "11"), ("1003", "Priya Raman", "11"),
    ("1004", "Tomás Herrera", "11"), ("1005", "Ingrid Solheim", "12"), ("1006", "Kwame Mensah", "12"),
    ("1007", "Lucy Abernathy", "12"), ("1008", "Yusuf Demir", "12"), ("1009", "Chloé Marchand", "13"),
    ("1010", "Owen Pritchard", "13"), ("1011", "Mei-Ling Zhou", "13"), ("1012", "Rafael Nowak", "13"),
  ].map { Agent(id: $0.0, name: $0.1, teamID: $0.2) }

  static let lines: [Line] = [
    ("2101", "Billing", "310", "Payment reminders"), ("2102", "Orders", "311", "Delivery updates"),
    ("2103", "Appointments", "312", "Engineer visits"), ("2104", "Retention", "313", "Contract renewals"),
    ("2105", "Complaints", "314", "Customer care"), ("2106", "Sales", "315", "Spring offer"),
  ].map { Line(skillID: $0.0, skillName: $0.1, campaignID: $0.2, campaignName: $0.3) }

  static let dispositions = [
    "Resolved", "Callback scheduled", "Payment arranged", "Left message", "Order cancelled", "Appointment booked",
    "Escalated", "No sale", "Sale",
  ]

  static let ownNumber = "+18005550100"

  static func customerNumber(_ dice: inout Dice) -> String {
    let area = dice.pick(["212", "303", "312", "404", "415", "503", "617", "702", "801"])
    return "+1\(area)55501\(10 + dice.next() % 90)"
  }

  /// A recording with everything that does not matter chosen by the dice.
  static func call(
    id: String, start: Instant, format: WAVFormat, dataBytes: Int, direction: Direction, dice: inout Dice
  ) -> SandboxRecording {
    let agent = dice.pick(agents)
    let line = dice.pick(lines)
    let customer = customerNumber(&dice)
    return SandboxRecording(
      id: id, startTime: start, durationSeconds: Int(format.seconds(dataBytes: dataBytes).rounded()),
      direction: direction, privacy: .standard, agentID: agent.id, agentName: agent.name, teamID: agent.teamID,
      skillID: line.skillID, skillName: line.skillName, campaignID: line.campaignID, campaignName: line.campaignName,
      fromAddress: direction == .outbound ? ownNumber : customer,
      toAddress: direction == .outbound ? customer : ownNumber,
      contactID: String(460_000_000_000 + dice.next() % 10_000_000_000), disposition: dice.pick(dispositions),
      format: format, dataBytes: dataBytes, availability: .immediately, isHidden: false)
  }
}
