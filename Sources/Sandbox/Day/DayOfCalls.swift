import Model

/// The calls of one day, generated from a seed: mostly short, mostly outbound, in the codecs that contact centers use.
struct DayOfCalls {
  private static let dayMilliseconds: Int64 = 86_400_000

  let seed: UInt64
  /// Midnight (UTC) at the beginning of the day.
  let midnight: Instant

  init(seed: UInt64, anyMoment: Instant) {
    self.seed = seed
    let milliseconds = anyMoment.milliseconds
    let intoDay =
      ((milliseconds % DayOfCalls.dayMilliseconds) + DayOfCalls.dayMilliseconds) % DayOfCalls.dayMilliseconds
    midnight = Instant(milliseconds: milliseconds - intoDay)
  }

  /// The moment this many minutes after midnight.
  func moment(minute: Int) -> Instant { midnight + .seconds(60 * minute) }

  /// The calls, with IDs in the form of a UUID.
  func calls(count: Int) -> [SandboxRecording] { (0..<max(0, count)).map(call) }

  private func call(_ index: Int) -> SandboxRecording {
    var random = SeededRandom(seed: SeededRandom.seed("call \(index)", under: seed))
    let milliseconds = length(index, &random)
    let format = format(milliseconds, &random)
    // Office hours: 08:00 to 18:00.
    let start = midnight + .milliseconds(28_800_000 + Int64(random.fraction() * 36_000_000) / 1000 * 1000)
    let direction: Direction = random.next() % 4 == 0 ? .inbound : .outbound
    var call = CallCentre.call(
      id: identifier(&random), start: start, format: format, dataBytes: format.dataBytes(milliseconds: milliseconds),
      direction: direction, random: &random)
    if index == 2 || random.next() % 14 == 0 { call.privacy = .restricted }
    switch index {
    case 3: call.availability = .afterFirstRequest(.seconds(2))
    case 4: call.availability = .afterFirstRequest(.seconds(9))
    case 5: call.availability = .afterStart(.seconds(30))
    default: break
    }
    return call
  }

  private func length(_ index: Int, _ random: inout SeededRandom) -> Int {
    switch (index, random.next() % 12) {
    case (0, _): 20_000
    // The longest call of the day.
    case (9, _): 3_600_000
    case (_, 0): 600_000 + Int(random.fraction() * 900_000)
    case (_, 1...4): 180_000 + Int(random.fraction() * 420_000)
    default: 22_000 + Int(random.fraction() * 160_000)
    }
  }

  private func format(_ milliseconds: Int, _ random: inout SeededRandom) -> WAVFormat {
    let isLong = milliseconds > 180_000
    return switch random.next() % 20 {
    case 0, 1: WAVFormat(.muLaw, channels: 2)
    case 2: WAVFormat(.muLaw, channels: 1)
    case 3: WAVFormat(.aLaw, channels: 1)
    case 4: WAVFormat(.pcm16, sampleRate: isLong ? 8000 : 16_000, channels: 2)
    case 5: WAVFormat(.pcm16, sampleRate: isLong ? 8000 : 44_100, channels: 1)
    case 6: WAVFormat(.gsm, channels: 1)
    case 7: WAVFormat(.imaADPCM, channels: 1)
    case 8...10: WAVFormat(.pcm16, channels: 1)
    default: WAVFormat(.pcm16, channels: isLong && milliseconds > 1_500_000 ? 1 : 2)
    }
  }

  private func identifier(_ random: inout SeededRandom) -> String {
    let digits = [random.next(), random.next()].map { number in withUnsafeBytes(of: number.bigEndian) { hex($0) } }
      .joined()
    let parts = [0..<8, 8..<12, 12..<16, 16..<20, 20..<32].map { range in
      String(digits.dropFirst(range.lowerBound).prefix(range.count))
    }
    return parts.joined(separator: "-")
  }
}
