import Model

/// Recordings with fixed IDs for tests, demonstrations and benchmarks. They exist with every seed.
package enum FixedRecordings {
  /// `bench-3min-01` to `bench-3min-40`: three minutes, one channel, 8 kHz, 16 bit. Hidden.
  package static let benchmark = (1...40).map { "bench-3min-\(twoDigits($0))" }
  /// 50,000,000 bytes: 52 minutes, one channel, 8 kHz, 16 bit. Hidden.
  package static let fiftyMegabytes = "bench-50mb"
  /// 200,000,000 bytes: 17 minutes, two channels, 48 kHz, 16 bit. Hidden.
  package static let large = "large-200mb"
  /// 1,000,000,000 bytes: 87 minutes, two channels, 48 kHz, 16 bit. Hidden.
  package static let gigabyte = "huge-1gb"
  /// `small-01` to `small-64`: three minutes, two channels, 8 kHz, 16 bit. Hidden.
  package static let small = (1...64).map { "small-\(twoDigits($0))" }
  /// `short-0001` to `short-1000`: two seconds, one channel, 8 kHz, 16 bit, each with different audio; every tenth
  /// becomes available only some time after the first request for it. Hidden.
  package static let short = (1...1000).map { number in "short-" + String(String(10_000 + number).dropFirst()) }
  /// 65,536 bytes: four seconds, one channel, 8 kHz, 16 bit. Hidden.
  package static let tiny = "tiny-64kib"
  /// Restricted to supervisors.
  package static let restricted = "restricted-01"
  /// Available a short time after the first request for it.
  package static let processing = "processing-01"
  /// Never available. Hidden.
  package static let never = "never-01"
  /// Failed on the platform.
  package static let failed = "failed-01"
  /// An ID with many characters that have a meaning in URLs.
  package static let oddID = "odd id/with ~ reserved%bytes?&#"
  /// Ids in several scripts, with a slash, a space and a combining accent; two seconds each. Hidden.
  package static let unicode = ["Größe-1", "通話/記録 2", "🎧-3", "cafe\u{301}-4", "запись-٣"]
  /// One short recording per codec, by ID.
  package static let codecs: [(id: String, format: WAVFormat)] = [
    ("codec-pcm-mono", WAVFormat(.pcm16, channels: 1)),
    ("codec-pcm-stereo", WAVFormat(.pcm16, channels: 2)),
    ("codec-pcm-44k", WAVFormat(.pcm16, sampleRate: 44_100, channels: 2)),
    ("codec-pcm-8bit", WAVFormat(.pcm8, channels: 1)),
    ("codec-ulaw-mono", WAVFormat(.muLaw, channels: 1)),
    ("codec-ulaw-stereo", WAVFormat(.muLaw, channels: 2)),
    ("codec-alaw-mono", WAVFormat(.aLaw, channels: 1)),
    ("codec-gsm", WAVFormat(.gsm, channels: 1)),
    ("codec-adpcm", WAVFormat(.imaADPCM, channels: 1)),
  ]

  private static func twoDigits(_ number: Int) -> String { number < 10 ? "0\(number)" : String(number) }

  static func all(on day: DayOfCalls, processingTime: Duration) -> [SandboxRecording] {
    let mono = WAVFormat(.pcm16, channels: 1)
    let stereo = WAVFormat(.pcm16, channels: 2)
    let wide = WAVFormat(.pcm16, sampleRate: 48_000, channels: 2)
    let threeMinutes = 180_000
    var recordings =
      benchmark.map { make($0, mono, mono.dataBytes(milliseconds: threeMinutes), on: day, isHidden: true) }
      + small.map { make($0, stereo, stereo.dataBytes(milliseconds: threeMinutes), on: day, isHidden: true) }
    recordings += short.enumerated().map { index, id in
      var call = make(id, mono, mono.dataBytes(milliseconds: 2000), on: day, isHidden: true)
      if index % 10 == 9 { call.availability = .afterFirstRequest(processingTime) }
      return call
    }
    recordings.append(make(fiftyMegabytes, mono, 50_000_000 - 44, on: day, isHidden: true))
    recordings.append(make(large, wide, 200_000_000 - 44, on: day, isHidden: true))
    recordings.append(make(gigabyte, wide, 1_000_000_000 - 44, on: day, isHidden: true))
    recordings.append(make(tiny, mono, 65_536 - 44, on: day, isHidden: true))
    recordings += codecs.enumerated().map { index, codec in
      make(codec.id, codec.format, codec.format.dataBytes(milliseconds: 20_000 + 1000 * index), on: day)
    }
    recordings += unicode.map { make($0, mono, mono.dataBytes(milliseconds: 2000), on: day, isHidden: true) }
    recordings.append(make(oddID, stereo, stereo.dataBytes(milliseconds: 26_500), on: day))

    var special = make(restricted, stereo, stereo.dataBytes(milliseconds: 42_000), on: day)
    special.privacy = .restricted
    recordings.append(special)
    special = make(processing, stereo, stereo.dataBytes(milliseconds: 35_000), on: day)
    special.availability = .afterFirstRequest(processingTime)
    recordings.append(special)
    special = make(failed, stereo, stereo.dataBytes(milliseconds: 61_000), on: day)
    special.availability = .failed
    recordings.append(special)
    special = make(never, stereo, stereo.dataBytes(milliseconds: 61_000), on: day, isHidden: true)
    special.availability = .never
    recordings.append(special)
    return recordings
  }

  private static func make(
    _ id: String, _ format: WAVFormat, _ dataBytes: Int, on day: DayOfCalls, isHidden: Bool = false
  ) -> SandboxRecording {
    var random = SeededRandom(seed: SeededRandom.seed(id, under: 0))
    let minute = 8 * 60 + Int(random.next() % 600)
    var call = CallCentre.call(
      id: id, start: day.moment(minute: minute), format: format, dataBytes: dataBytes, direction: .outbound,
      random: &random)
    call.isHidden = isHidden
    return call
  }
}
