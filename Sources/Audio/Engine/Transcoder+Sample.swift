import Foundation
package import Model
import SystemPackage

extension Transcoder {
  /// Converts a generated second of audio, under the limits of every conversion. For `doctor`.
  ///
  /// - Throws: the errors of `convert(_:header:to:as:longest:)`.
  package nonisolated func convertSample() async throws(TapedeckError) {
    let mp3 = FilePath(NSTemporaryDirectory()).appending("tapedeck-sample-\(UUID().uuidString).mp3")
    defer { try? FileManager.default.removeItem(atPath: mp3.string) }
    let bytes = Self.sample
    guard case .header(let header) = WAVHeader.read(bytes) else {
      throw TapedeckError(.internalError, detail: "the sample has no header")
    }
    let input = AsyncStream { continuation in
      continuation.yield(bytes)
      continuation.finish()
    }
    let conversion = try await convert(input, header: header, to: mp3)
    guard conversion.decodedFrames == 8000 else {
      throw TapedeckError(.conversionFailed, "FFmpeg converted \(conversion.decodedFrames) of 8000 samples.")
    }
  }

  /// One second of a 500 Hz square wave, 8 kHz, 16 bits, mono.
  private static var sample: [UInt8] {
    func little<T: FixedWidthInteger>(_ number: T) -> [UInt8] { withUnsafeBytes(of: number.littleEndian) { Array($0) } }
    let audio = (0..<8000).flatMap { little(Int16($0 / 8 % 2 == 0 ? 4000 : -4000)) }
    return Array("RIFF".utf8) + little(UInt32(36 + audio.count)) + Array("WAVEfmt ".utf8) + little(UInt32(16))
      + little(UInt16(1)) + little(UInt16(1)) + little(UInt32(8000)) + little(UInt32(16_000)) + little(UInt16(2))
      + little(UInt16(16)) + Array("data".utf8) + little(UInt32(audio.count)) + audio
  }
}
