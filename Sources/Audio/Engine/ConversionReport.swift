import CTranscoder
import Model

/// What a conversion reports (`Sources/Transcoder/protocol.h`). A recording may control the process that sends it, so
/// order and sizes are checked.
struct ConversionReport: Sendable {
  /// The report does not follow the protocol; the reason is for the log.
  struct Malformed: Error {
    var reason: String
  }

  enum Ending: Sendable {
    /// `code` is FFmpeg's, or 0.
    case failed(stage: UInt32, code: Int32, text: String)
    /// `frames` are decoded samples of each channel, at the rate of the peaks.
    case complete(frames: Int64, mp3Bytes: Int64)
  }

  private(set) var facts: [String: String] = [:]
  private(set) var warnings: [String] = []
  private(set) var ending: Ending?
  private var points: [Int8] = []
  private let maxPointBytes: Int
  private var receivedBytes = 0
  /// The beginning of an incomplete frame.
  private var rest: [UInt8] = []

  /// - Parameter audio: the maximum length of the decoded audio.
  init(limitedTo audio: Duration) {
    // One codec frame may exceed the limit before the transcoder notices.
    let seconds = min(audio.inSeconds + 60, 1e9)
    maxPointBytes = Int(seconds * Double(Peaks.sampleRate / Peaks.samplesPerPixel)) * 4
  }

  /// Adds the next bytes, which may end anywhere.
  mutating func append(_ bytes: UnsafeRawBufferPointer) throws(Malformed) {
    receivedBytes += bytes.count
    // Frames and their heads; also frames without content must come to an end.
    guard receivedBytes <= 2 * maxPointBytes + (1 << 20) else { throw Malformed(reason: "a report without an end") }
    rest.append(contentsOf: bytes)
    var start = 0
    while rest.count - start >= 5 {
      let length = Int(Self.number(rest[(start + 1)..<(start + 5)]))
      guard length <= MAX_FRAME_BYTES else { throw Malformed(reason: "a frame of \(length) bytes") }
      let end = start + 5 + length
      guard end <= rest.count else { break }
      try take(UInt32(rest[start]), rest[(start + 5)..<end])
      start = end
    }
    rest.removeFirst(start)
  }

  private mutating func take(_ type: UInt32, _ content: ArraySlice<UInt8>) throws(Malformed) {
    guard ending == nil else { throw Malformed(reason: "a frame after the last one") }
    let first = content.startIndex
    switch type {
    case FRAME_FACT.rawValue where facts.count < MAX_FACTS:
      let texts = content.split(separator: 0, maxSplits: 1, omittingEmptySubsequences: false).map { Self.text($0) }
      facts[texts[0]] = texts.last
    case FRAME_WARNING.rawValue where warnings.count < MAX_WARNINGS: warnings.append(Self.text(content))
    case FRAME_PEAKS.rawValue where points.count + content.count <= maxPointBytes:
      points.append(contentsOf: content.lazy.map { Int8(bitPattern: $0) })
    case FRAME_ERROR.rawValue where content.count >= 8:
      ending = .failed(
        stage: UInt32(truncatingIfNeeded: Self.number(content[first..<(first + 4)])),
        code: Int32(truncatingIfNeeded: Self.number(content[(first + 4)..<(first + 8)])),
        text: Self.text(content[(first + 8)...]))
    case FRAME_END.rawValue where content.count == 32:
      let numbers = (0..<3).map { Self.number(content[(first + 8 * $0)..<(first + 8 * $0 + 8)]) }
      guard let frames = Int64(exactly: numbers[1]), let bytes = Int64(exactly: numbers[2]) else {
        throw Malformed(reason: "impossible numbers")
      }
      ending = .complete(frames: frames, mp3Bytes: bytes)
    default: throw Malformed(reason: "an unexpected frame of type \(type) with \(content.count) bytes")
    }
  }

  /// The channels of the MP3 and of the peaks.
  private var channels: Int? { facts["mp3_channels"].flatMap(Int.init).flatMap { 1...2 ~= $0 ? $0 : nil } }

  /// The result of a complete conversion; nil when the report contradicts itself or is not complete.
  var conversion: Conversion? {
    guard case .complete(let frames, let mp3Bytes) = ending, let channels, frames > 0, rest.isEmpty,
      // The last point may stand for fewer samples than the others.
      Int64(points.count) == (frames - 1) / Int64(Peaks.samplesPerPixel) * Int64(2 * channels) + Int64(2 * channels)
    else { return nil }
    let rate = facts["rate"].flatMap { Int($0) } ?? Peaks.sampleRate
    return Conversion(
      decodedFrames: frames, channels: channels, mp3Rate: facts["mp3_rate"].flatMap { Int($0) } ?? rate, duration: .seconds(Double(frames) / Double(Peaks.sampleRate)),
      peaks: Peaks(channels: channels, data: points), mp3Bytes: mp3Bytes, warnings: warnings,
      codec: String((facts["codec"] ?? "unknown").prefix(32)),
      sourceChannels: facts["channels"].flatMap { Int($0) } ?? channels,
      sourceRate: rate)
  }

  private static func number(_ bytes: ArraySlice<UInt8>) -> UInt64 {
    bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) }
  }

  /// A text without control characters.
  private static func text(_ bytes: ArraySlice<UInt8>) -> String {
    let scalars = String(decoding: bytes, as: UTF8.self).unicodeScalars
    return String(String.UnicodeScalarView(scalars.map { $0.properties.generalCategory == .control ? " " : $0 }))
  }
}
