import Foundation
import Hummingbird
import Model
import Sandbox
import Testing

@Suite struct SoundTests {
  @Test func `a range read anywhere equals that slice of the file`() async throws {
    let tenant = try tenant()
    var generator = SystemRandomNumberGenerator()
    for (id, _) in FixedRecordings.codecs {
      let audio = try #require(await tenant.audio(of: id))
      let whole = audio.read(0..<audio.totalBytes)
      #expect(whole.count == audio.totalBytes)
      for _ in 0..<20 {
        let start = Int.random(in: 0..<audio.totalBytes, using: &generator)
        let end = Int.random(in: start...min(start + 100_000, audio.totalBytes), using: &generator)
        #expect(audio.read(start..<end) == Array(whole[start..<end]), "\(id) \(start)..<\(end)")
      }
    }
  }

  @Test func `the same seed gives the same bytes, another seed others`() async throws {
    let first = try #require(try await tenant().audio(of: "codec-pcm-stereo"))
    let again = try #require(try await tenant().audio(of: "codec-pcm-stereo"))
    let other = try #require(try await tenant { $0.seed = 2 }.audio(of: "codec-pcm-stereo"))
    #expect(first.read(0..<first.totalBytes) == again.read(0..<again.totalBytes))
    #expect(first.entityTag == again.entityTag)
    #expect(first.read(0..<first.totalBytes) != other.read(0..<other.totalBytes))
    #expect(first.entityTag != other.entityTag)
  }

  @Test func `the fixed files have the sizes that benchmarks rely on`() async throws {
    let tenant = try tenant()
    #expect(try #require(await tenant.audio(of: FixedRecordings.fiftyMegabytes)).totalBytes == 50_000_000)
    #expect(try #require(await tenant.audio(of: "bench-3min-01")).totalBytes == 2_880_044)
    #expect(try #require(await tenant.audio(of: "small-64")).totalBytes == 5_760_044)
    let huge = try #require(await tenant.audio(of: FixedRecordings.gigabyte))
    #expect(huge.totalBytes == 1_000_000_000)
    #expect(huge.read(999_999_000..<1_000_000_000).count == 1000)
    #expect(tenant.recording(FixedRecordings.gigabyte)?.durationSeconds == 5208)
  }

  @Test(arguments: FixedRecordings.codecs.map(\.id))
  func `ffprobe and ffmpeg read every codec`(id: String) async throws {
    let tenant = try tenant()
    let recording = try #require(tenant.recording(id))
    let audio = try #require(await tenant.audio(of: id))
    let file = FileManager.default.temporaryDirectory.appending(path: "sandbox-\(UUID().uuidString).wav")
    try Data(audio.read(0..<audio.totalBytes)).write(to: file)
    defer { try? FileManager.default.removeItem(at: file) }

    let probe = try output(
      "ffprobe",
      [
        "-v", "error", "-show_entries", "stream=codec_name,sample_rate,channels,duration", "-of", "json", file.path,
      ])
    let json = try #require(try JSONSerialization.jsonObject(with: Data(probe)) as? [String: Any])
    let stream = try #require((json["streams"] as? [[String: Any]])?.first)
    #expect(stream["codec_name"] as? String == recording.format.codec.rawValue)
    #expect(stream["sample_rate"] as? String == String(recording.format.sampleRate))
    #expect(stream["channels"] as? Int == recording.format.channels)
    let duration = try #require(Double(stream["duration"] as? String ?? ""))
    #expect(abs(duration - Double(recording.durationSeconds)) <= 0.6)

    let samples = try output(
      "ffmpeg",
      ["-v", "error", "-xerror", "-err_detect", "explode", "-f", "wav", "-i", file.path, "-f", "s16le", "-"])
    let frames = samples.count / 2 / recording.format.channels
    #expect(abs(Double(frames) / Double(recording.format.sampleRate) - duration) < 0.1)
    // The audio is not silent and not clipped throughout.
    let values = stride(from: 0, to: samples.count - 1, by: 2).map {
      Int(Int16(bitPattern: UInt16(samples[$0]) | UInt16(samples[$0 + 1]) << 8))
    }
    let loudness = (values.reduce(0.0) { $0 + Double($1 * $1) } / Double(values.count)).squareRoot()
    #expect((500...9000).contains(loudness), "\(loudness)")
    #expect(values.count { abs($0) > 32_000 } < values.count / 1000)
  }

  @Test func `agent and customer take turns on two channels`() async throws {
    let audio = try #require(try await tenant().audio(of: "small-01"))
    var spoke = [0, 0]
    for second in 0..<180 {
      let bytes = audio.read(44 + second * 32_000..<44 + (second + 1) * 32_000)
      let loud = [0, 2].map { channel in
        stride(from: channel, to: bytes.count, by: 4).contains { index in
          abs(Int(Int16(bitPattern: UInt16(bytes[index]) | UInt16(bytes[index + 1]) << 8))) > 500
        }
      }
      #expect(loud != [true, true])
      for channel in 0...1 where loud[channel] { spoke[channel] += 1 }
    }
    #expect(spoke[0] > 40 && spoke[1] > 40, "\(spoke)")
  }

  @Test func `conversations with synthesised speech are rendered completely`() async throws {
    let tenant = try tenant()
    let spoken = tenant.recordings.filter { $0.id.hasPrefix("spoken-") }
    #expect(spoken.count == 4)
    for recording in spoken {
      let audio = try #require(await tenant.audio(of: recording.id))
      #expect(audio.totalBytes == recording.totalBytes)
      let sound = audio.read(44..<audio.totalBytes)
      let quiet = stride(from: 0, to: sound.count - 1, by: 2).reversed().prefix {
        abs(Int(Int16(bitPattern: UInt16(sound[$0]) | UInt16(sound[$0 + 1]) << 8))) < 200
      }
      // Nothing was cut off at the end, and the pause there is short.
      let seconds = Double(quiet.count) / 16_000
      #expect((0.3...8).contains(seconds), "\(recording.id) ends with \(seconds) s of silence")
    }
  }

  private func output(_ program: String, _ arguments: [String]) throws -> [UInt8] {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = [program] + arguments
    let pipe = Pipe()
    process.standardOutput = pipe
    try process.run()
    let data = pipe.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    #expect(process.terminationStatus == 0, "\(program)")
    return [UInt8](data)
  }
}
