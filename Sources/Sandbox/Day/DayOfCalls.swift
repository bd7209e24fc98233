import Model

/// The calls of one day, made up from a seed: mostly short, mostly outbound, in the codings that contact centres use.
struct DayOfCalls {
  private static let dayMilliseconds: Int64 = 86_400_000

  let seed: UInt64
  /// Midnight (UTC) at which the day begins.
  let midnight: Instant

  init(seed: UInt64, anyMoment: Instant) {
    self.seed = seed
    let milliseconds = anyMoment.milliseconds
    let intoDay =
      ((milliseconds % DayOfCalls.dayMilliseconds) + DayOfCalls.dayMilliseconds) % DayOfCalls.dayMilliseconds
    midnight = Instant(milliseconds: milliseconds - intoDay)
  }

  /// The moment of the day at so many minutes after midnight.
  func moment(minute: Int) -> Instant { midnight + .seconds(60 * minute) }

  /// The calls, with ids of the form of a UUID.
  func calls(count: Int) -> [SandboxRecording] { (0..<max(0, count)).map(call) }

  private func call(_ index: Int) -> SandboxRecording {
    var dice = Dice(seed: Dice.seed("call \(index)", under: seed))
    let milliseconds = length(index, &dice)
    let format = format(milliseconds, &dice)
    // Office hours: 08:00 to 18:00.
    let start = midnight + .milliseconds(28_800_000 + Int64(dice.fraction() * 36_000_000) / 1000 * 1000)
    let direction: Direction = dice.next() % 4 == 0 ? .inbound : .outbound
    var call = CallCentre.call(
      id: identifier(&dice), start: start, format: format, dataBytes: format.dataBytes(milliseconds: milliseconds),
      direction: direction, dice: &dice)
    if index == 2 || dice.next() % 14 == 0 { call.privacy = .restricted }
    switch index {
    case 3: call.availability = .afterFirstAsked(.seconds(2))
    case 4: call.availability = .afterFirstAsked(.seconds(9))
    case 5: call.availability = .afterStart(.seconds(30))
    default: break
    }
    return call
  }

  private func length(_ index: Int, _ dice: inout Dice) -> Int {
    switch (index, dice.next() % 12) {
    case (0, _): 20_000
    // The day's longest call.
    case (9, _): 3_600_000
    case (_, 0): 600_000 + Int(dice.fraction() * 900_000)
    case (_, 1...4): 180_000 + Int(dice.fraction() * 420_000)
    default: 22_000 + Int(dice.fraction() * 160_000)
    }
  }

  private func format(_ milliseconds: Int, _ dice: inout Dice) -> WAVFormat {
    let isLong = milliseconds > 180_000
    return switch dice.next() % 20 {
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

  private func identifier(_ dice: inout Dice) -> String {
    let digits = hexadecimal(dice.next()) + hexadecimal(dice.next())
    let parts = [0..<8, 8..<12, 12..<16, 16..<20, 20..<32].map { range in
      String(digits.dropFirst(range.lowerBound).prefix(range.count))
    }
    return parts.joined(separator: "-")
  }

  private func hexadecimal(_ number: UInt64) -> String {
    let digits = String(number, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }
}
