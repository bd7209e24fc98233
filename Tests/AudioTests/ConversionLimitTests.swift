import Audio
import Foundation
import Model
import SystemPackage
import Testing

/// Limits of a recording.
@Suite(.timeLimit(.minutes(2)))
struct ConversionLimitTests {
  private func failure(
    rate: UInt32 = 8000, bytes: Int64, bits: UInt16 = 16, platform: Double? = nil
  ) throws -> TapedeckError? {
    let file = WAVFile(format: WAVBytes.format(rate: rate, bits: bits), audio: tone(8), dataSize: 0, riffSize: 0)
    let header = try header(of: file.bytes)
    do throws(TapedeckError) {
      try ConversionLimits().check(
        header, fileLength: header.dataOffset + bytes, platformDuration: platform.map { .seconds($0) })
      return nil
    } catch { return error }
  }

  @Test(arguments: [1, 100, 3999, 192_001, 2_000_000, 0x1000_3E80] as [UInt32])
  func `a sample rate outside 4 to 192 kHz is rejected before the conversion`(rate: UInt32) async throws {
    #expect(try failure(rate: rate, bytes: 32000)?.code == .unsupportedAudio)
    let bytes = WAVFile(format: WAVBytes.format(rate: rate), audio: tone(1000)).bytes
    // Without a transcoder, only what comes before the conversion can have this result.
    let error = await #expect(throws: TapedeckError.self) {
      try await Transcoder(program: nil).convert(pieces(bytes), header: header(of: bytes), to: "/nowhere/out.mp3")
    }
    #expect(error?.code == .unsupportedAudio)
  }

  @Test(arguments: [4000, 6000, 7350, 8000, 96_000, 192_000] as [UInt32])
  func `sample rates of recorders are accepted`(rate: UInt32) throws {
    #expect(try failure(rate: rate, bytes: 32000) == nil)
  }

  static let lengths: [(seconds: Int64, platform: Double?, passes: Bool)] = [
    (48 * 3600, nil, true), (48 * 3600 + 1, nil, false), (48 * 3600, 0, true), (620, 2, true), (621, 2, false),
    (3600, 300, true), (3601, 300, false), (48 * 3600 + 1, 40_000, false), (700, 0, true),
  ]

  @Test(arguments: lengths)
  func `a recording beyond the limit or ten times the platform's duration and ten minutes is rejected`(
    seconds: Int64, platform: Double?, passes: Bool
  ) throws {
    let error = try failure(bytes: seconds * 16000, platform: platform)
    #expect((error == nil) == passes)
    #expect(error == nil || error?.code == .unsupportedAudio)
  }

  @Test func `decoding stops at the limit where the header does not tell the length`() async throws {
    let bytes = WAVFile(audio: tone(80_000), dataSize: 0, riffSize: 0).bytes
    try await Scratch.with { folder in
      let error = await #expect(throws: TapedeckError.self) {
        try await Transcoder().convert(
          pieces(bytes), header: header(of: bytes), to: folder.appending("out.mp3"), longest: .seconds(3))
      }
      #expect(error?.code == .unsupportedAudio)
    }
  }

  // MARK: Floating point

  static let floats: [(name: String, value: Float)] = [
    ("NaN", .nan), ("infinity", .infinity), ("negative infinity", -.infinity), ("a huge value", 1e38),
    ("a signalling NaN", .signalingNaN),
  ]

  @Test(arguments: floats) func `floating-point audio with impossible samples is converted`(
    name: String, value: Float
  ) async throws {
    for rate in [8000, 7350] as [UInt32] {
      let audio = (0..<Int(rate)).flatMap { little(($0 % 1000 == 500 ? value : 0.25).bitPattern) }
      let bytes = WAVFile(format: WAVBytes.format(tag: 3, rate: rate, bits: 32), audio: audio).bytes
      try await Scratch.with { folder in
        let conversion = try await Transcoder().convert(
          pieces(bytes), header: header(of: bytes), to: folder.appending("out.mp3"))
        #expect(abs(conversion.duration.inSeconds - 1) < 0.01)
        #expect(conversion.mp3Bytes > 1000)
      }
    }
  }
}
