import Foundation
package import Model
import SystemPackage

extension FFmpeg {
  /// Converts a generated second of audio in a temporary folder, under the limits of every conversion. For `doctor`.
  ///
  /// - Throws: the errors of `convert(file:header:to:longest:)`; `storageFailed` when the folder cannot be written.
  package func convertSample() async throws(TapedeckError) {
    let folder = FilePath(NSTemporaryDirectory()).appending("tapedeck-sample-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(atPath: folder.string) }
    let file = folder.appending("sample.wav")
    let bytes = Self.sample
    do {
      try FileManager.default.createDirectory(atPath: folder.string, withIntermediateDirectories: true)
      try Data(bytes).write(to: URL(filePath: file.string))
    } catch {
      throw TapedeckError(.storageFailed, "The temporary folder cannot be written.", detail: "\(error)", cause: error)
    }
    guard case .header(let header) = WAVHeader.read(bytes) else {
      throw TapedeckError(.internalError, detail: "the sample has no header")
    }
    let conversion = try await convert(file: file, header: header, to: folder.appending("sample.mp3"))
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
