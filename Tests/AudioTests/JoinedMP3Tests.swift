import Audio
import Foundation
import Model
import SystemPackage
import Testing

/// The MP3 of several parts, as FFmpeg reads it.
struct JoinedMP3Tests {
  /// A stereo WAV file of 8 kHz with a tone from `start` on, in seconds.
  private func tone(_ frequency: Int, from start: Double, seconds: Double, _ options: String = "-ac 2 -ar 8000") throws
    -> [UInt8]
  {
    try Scratch.withFolder { folder in
      let path = folder.appending("tone.wav").string
      let source = "aevalsrc=0.5*sin(\(frequency)*2*PI*t)*gte(t\\,\(start)):d=\(seconds):s=16000"
      try runTool(
        "ffmpeg",
        ["-v", "error", "-f", "lavfi", "-i", source] + options.split(separator: " ").map(String.init) + ["-y", path])
      return try [UInt8](Data(contentsOf: URL(filePath: path)))
    }
  }

  private func convert(_ bytes: [UInt8], to mp3: FilePath, as format: MP3Format? = nil) async throws -> Conversion {
    try await Transcoder().convert(pieces(bytes), header: try header(of: bytes), to: mp3, as: format)
  }

  /// The samples of the first channel at 8 kHz.
  private func decode(_ mp3: FilePath) throws -> [Int16] {
    let data = try runTool("ffmpeg", ["-v", "error", "-i", mp3.string, "-ar", "8000", "-ac", "1", "-f", "s16le", "-"])
    return data.withUnsafeBytes { raw in
      (0..<raw.count / 2).map { Int16(littleEndian: raw.loadUnaligned(fromByteOffset: $0 * 2, as: Int16.self)) }
    }
  }

  /// How often a Xing header occurs in a file.
  private func xingCount(_ bytes: [UInt8]) -> Int {
    let text = String(decoding: bytes, as: Unicode.ASCII.self)
    return text.components(separatedBy: "Xing").count + text.components(separatedBy: "Info").count - 2
  }

  @Test func `the audio of each part is at its offset, and the length is exact`() async throws {
    try await Scratch.with { folder in
      let files = ["a", "b", "c"].map { folder.appending("\($0).mp3") }
      var conversions: [Conversion] = []
      for (number, file) in files.enumerated() {
        // Tones with silence before them, and lengths that end inside of a frame.
        let wav = try tone(440 * (number + 1), from: 0.5, seconds: 2.1 + 0.33 * Double(number))
        conversions.append(try await convert(wav, to: file))
      }
      let whole = folder.appending("whole.mp3")
      let joined = try JoinedMP3.write(files, to: whole)
      #expect(joined.offsets.count == 3 && joined.offsets[0] == .zero)

      let samples = try decode(whole)
      let last = try #require(conversions.last).duration
      let end = joined.offsets[2] + last
      #expect(abs(Double(samples.count) / 8000 - end.inSeconds) < 0.001)
      // Between two parts is less than a fifth of a second of silence from the encoder.
      let sum = conversions.dropLast().reduce(0) { $0 + $1.duration.inSeconds }
      #expect(joined.offsets[2].inSeconds > sum && joined.offsets[2].inSeconds < sum + 0.4)
      for offset in joined.offsets {
        let onset = Int((offset.inSeconds + 0.5) * 8000)
        let before = samples[(onset - 1600)..<(onset - 160)].map { abs(Int($0)) }.max() ?? 0
        let after = samples[(onset + 160)..<(onset + 800)].map { abs(Int($0)) }.max() ?? 0
        #expect(before < 1500 && after > 10_000, "part at \(offset): \(before), \(after)")
      }
    }
  }

  @Test func `there is one Xing header, and the other frames are those of the parts`() async throws {
    try await Scratch.with { folder in
      let files = [folder.appending("a.mp3"), folder.appending("b.mp3")]
      for file in files { _ = try await convert(try tone(440, from: 0, seconds: 1.5), to: file) }
      let whole = folder.appending("whole.mp3")
      _ = try JoinedMP3.write(files, to: whole)
      let bytes = try [UInt8](Data(contentsOf: URL(filePath: whole.string)))
      #expect(xingCount(bytes) == 1)
      #expect(bytes.starts(with: [0xFF]))
      for file in files {
        // Without the tag and the frame with the Xing header, which is shorter than 1000 bytes.
        let part = try [UInt8](Data(contentsOf: URL(filePath: file.string)))
        let frames = part.suffix(part.count - 1000)
        #expect(Data(bytes).range(of: Data(frames)) != nil)
      }
      // FFmpeg reads frames and length of the header, so a wrong count would show.
      let packets = try runTool(
        "ffprobe",
        [
          "-v", "error", "-count_packets", "-show_entries", "stream=nb_read_packets,duration", "-of", "csv=p=0",
          whole.string,
        ])
      let fields = String(decoding: packets, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
        .split(separator: ",")
      let frames = try #require(fields.last.flatMap { Double($0) })
      let duration = try #require(fields.first.flatMap { Double($0) })
      #expect(abs(frames * 576 / 8000 - duration) < 0.01)
      let announced = bytes.firstRange(of: Array("Xing".utf8)) ?? bytes.firstRange(of: Array("Info".utf8))
      let start = try #require(announced?.lowerBound)
      let size = bytes[(start + 12)..<(start + 16)].reduce(0) { $0 << 8 | Int($1) }
      #expect(size == bytes.count)
      let contents = bytes[(start + 16)..<(start + 116)]
      #expect(zip(contents, contents.dropFirst()).allSatisfy { $0 <= $1 } && contents.last ?? 0 > 240)
    }
  }

  @Test func `parts in other formats are converted to the same one`() async throws {
    try await Scratch.with { folder in
      let files = [folder.appending("a.mp3"), folder.appending("b.mp3")]
      let stereo = try await convert(try tone(440, from: 0, seconds: 1), to: files[0])
      let wav = try tone(440, from: 0, seconds: 1, "-ac 1 -ar 16000")
      let mono = try await convert(wav, to: files[1])
      #expect(stereo.format == MP3Format(rate: 8000, channels: 2))
      #expect(mono.format == MP3Format(rate: 16_000, channels: 1))
      #expect(throws: TapedeckError.self) { try JoinedMP3.write(files, to: folder.appending("whole.mp3")) }

      let format = try #require(MP3Format(covering: [stereo.format, mono.format]))
      #expect(format == MP3Format(rate: 16_000, channels: 2))
      let again = try await convert(wav, to: files[1], as: format)
      #expect(again.format == format && again.peaks.channels == 2)
      let probe = try Probe.of(files[1])
      #expect(probe.sampleRate == "16000" && probe.channels == 2)
    }
  }

  @Test func `an MP3 of another program is refused`() async throws {
    try await Scratch.with { folder in
      let file = folder.appending("other.mp3")
      for bytes in [[], Array("not an MP3".utf8), [0xFF, 0xF3, 0x48, 0xC0] + [UInt8](repeating: 0, count: 140)] {
        try Data(bytes).write(to: URL(filePath: file.string))
        #expect(throws: TapedeckError.self) { try JoinedMP3.write([file, file], to: folder.appending("whole.mp3")) }
      }
    }
  }

  @Test func `the waveforms of parts are one waveform, each part at its offset`() throws {
    let one = Peaks(channels: 1, data: [-1, 1, -2, 2])
    let two = Peaks(channels: 1, data: [-3, 3])
    let joined = try #require(Peaks.joined([(one, .zero), (two, .milliseconds(42))]))
    // The second part begins at point 4.
    #expect(joined.data == [-1, 1, -2, 2, 0, 0, 0, 0, -3, 3])
    #expect(Peaks.joined([(one, .zero), (Peaks(channels: 2, data: []), .seconds(1))]) == nil)
    #expect(Peaks.joined([(one, .zero)]) == one)
  }
}
