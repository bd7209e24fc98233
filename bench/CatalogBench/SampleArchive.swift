import Catalog
import Foundation
import Model

/// One year of a contact center's calls, the same in every run.
struct SampleArchive: Sendable {
  static let names = [
    "Anna", "Boris", "Carla", "David", "Elena", "Felix", "Greta", "Hassan", "Irene", "Jonas", "Karin", "Lukas", "Maria",
    "Nadia", "Oscar", "Petra", "Quentin", "Rosa", "Stefan", "Tessa",
  ]
  static let surnames = [
    "Weber", "Novak", "Smith", "Rossi", "Larsen", "Dubois", "Costa", "Kowalska", "Ivanov", "Meyer",
  ]
  static let skills = [
    "Sales", "Billing", "Support", "Claims", "Returns", "Retention", "Bookings", "Complaints", "Surveys", "Collections",
  ]
  static let end = Instant(milliseconds: 1_768_478_400_000)
  static let year: Int64 = 365 * 86_400_000

  let rows: Int

  /// The same in every run.
  static func random(_ row: Int, _ stream: UInt64) -> UInt64 {
    StableHash.mix(UInt64(row) &* 0x9E37_79B9_7F4A_7C15 &+ stream &* 0xBF58_476D_1CE4_E5B9)
  }

  /// Start times in approximate order; one call in ten was discovered days later.
  func startTime(_ row: Int) -> Instant {
    let age = Self.year - Int64(row) * (Self.year / Int64(rows))
    let late = Self.random(row, 1) % 10 == 0 ? Int64(Self.random(row, 2) % (5 * 86_400_000)) : 0
    return Self.end + .milliseconds(-age - late)
  }

  func number(_ row: Int) -> String { "+4420\(10_000_000 + Self.random(row, 3) % 90_000_000)" }

  /// An agent who left after the first month and had one call in fifty, so that newer calls do not contain the name.
  static let former = "Zenobia"

  func agent(_ row: Int) -> (id: String, name: String) {
    if row < rows / 12, row % 50 == 0 { return ("ag-999", "\(Self.former) Former") }
    let number = Int(Self.random(row, 4) % 200)
    return ("ag-\(number)", "\(Self.names[number % 20]) \(Self.surnames[number / 20])")
  }

  func facts(_ row: Int) -> (facts: PlatformRecording, status: ListedStatus) {
    let id = "\(String(Self.random(row, 5), radix: 16))-\(String(row, radix: 16))"
    let (agentID, agentName) = agent(row)
    let skill = Int(Self.random(row, 6) % 10)
    let privacy = Self.random(row, 7) % 50 == 0 ? Privacy.restricted : .standard
    let status: ListedStatus =
      switch Self.random(row, 8) % 100 {
      case 0: .failed
      case 1: .underway
      case 2: .known
      default: .ready
      }
    let json = """
      {"id":"\(id)","agent":{"id":"\(agentID)","name":"\(agentName)"},"skill":"\(Self.skills[skill])","tags":[\
      \(String(repeating: "\"platform field with a value\",", count: 12))"last"]}
      """
    var facts = PlatformRecording(id: RecordingID(id)!, status: .available, privacy: privacy, json: json)
    facts.startTime = startTime(row)
    facts.endTime = startTime(row) + .seconds(180)
    facts.durationSeconds = 180
    facts.direction = row % 3 == 0 ? .inbound : .outbound
    facts.agentID = agentID
    facts.agentName = agentName
    facts.skillID = "sk-\(skill)"
    facts.skillName = Self.skills[skill]
    facts.campaignName = "Campaign \(Self.random(row, 9) % 40)"
    facts.fromAddress = number(row)
    facts.toAddress = "+49301234\(100 + row % 50)"
    facts.contactID = "\(Self.random(row, 10) % 1_000_000_000)"
    facts.disposition = ["done", "call back", "wrong number", "no answer"][row % 4]
    return (facts, status)
  }

  // MARK: Filling

  /// Writes rows as the catalog would, several hundred at a time.
  func fill(_ database: any Database) async throws {
    let names = (0..<min(rows, 20_000)).map { agent($0).name }
    try await database.write { db in
      for name in Set(names) {
        let words = SearchWords.words(of: name).joined(separator: " ")
        try db.execute("INSERT INTO agent_name (name, words) VALUES (\(name), \(words))")
      }
    }
    let batch = 400
    for first in stride(from: 0, to: rows, by: batch * 10) {
      try await database.write(.readCommitted) { db in
        for start in stride(from: first, to: min(first + batch * 10, rows), by: batch) {
          try insert(start..<min(start + batch, rows), db)
        }
      }
    }
    _ = try await database.write { db in
      // No ANALYZE on SQLite, because it is not run in production and would change the query plans.
      guard db.dialect == .postgresql else { return }
      for table: SQL in ["recording", "job"] { try db.execute("ANALYZE \(table)") }
    }
  }

  private func insert(_ numbers: Range<Int>, _ db: any Connection) throws(TapedeckError) {
    var recordings: SQL = """
      INSERT INTO recording (source, platform_id, platform_status, privacy, started_at, ended_at, duration_s, direction,
        agent_id, agent_name, skill_id, skill_name, campaign_name, from_address, to_address, contact_id, disposition,
        metadata, first_seen_at, archived_at, listed_status, words,
        address_words) VALUES
      """
    var jobs: SQL = """
      INSERT INTO job (kind, source, platform_id, stage, run_state, clearance, requested_at) VALUES
      """
    for (index, number) in numbers.enumerated() {
      let (facts, status) = facts(number)
      let key = RecordingKey(id: facts.id)
      let seen = (facts.startTime ?? Self.end) + .seconds(240)
      let archived: Instant? = status == .ready ? seen : nil
      let (words, addressWords) = SearchWords.stored(for: facts, of: key)
      let comma: SQL = index == 0 ? " " : ", "
      recordings += comma
      recordings += """
        (\(key.source), \(key.id), \(facts.status), \(facts.privacy), \(facts.startTime), \(facts.endTime),
        \(facts.durationSeconds), \(facts.direction), \(facts.agentID), \(facts.agentName), \(facts.skillID),
        \(facts.skillName), \(facts.campaignName), \(facts.fromAddress), \(facts.toAddress), \(facts.contactID),
        \(facts.disposition), \(facts.json), \(seen), \(archived), \(status.rawValue),
        \(words), \(addressWords))
        """
      let state: RunState =
        switch status {
        case .ready, .damaged: .done
        case .failed: .failed
        // Without a due time, so that the measured queue is empty at first.
        case .underway, .known: .waiting
        }
      jobs += comma
      jobs += """
        ('ingest', \(key.source), \(key.id), \(status == .ready ? Stage.ready : .awaiting), \(state),
        \(Privacy.standard), \(seen))
        """
    }
    try db.execute(recordings)
    try db.execute(jobs)
  }
}
