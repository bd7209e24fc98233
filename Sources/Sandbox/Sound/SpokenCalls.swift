import Foundation
import Logging
import NIOCore
import Subprocess
import Synchronization
import SystemPackage

/// Conversations read by `espeak-ng`, rendered on first use and then kept in memory (0.8 MB).
final class SpokenCalls: Sendable {
  static let format = WAVFormat(.pcm16, channels: 2)

  private let program: FilePath
  private let logger: Logger
  private let rendered = Mutex<[String: Task<ByteBuffer, any Error>]>([:])

  /// Nil where `espeak-ng` is not in the path.
  init?(path: String?, logger: Logger) {
    let candidates = (path ?? "/usr/local/bin:/usr/bin:/bin").split(separator: ":").map { "\($0)/espeak-ng" }
    guard let program = candidates.first(where: FileManager.default.isExecutableFile(atPath:)) else { return nil }
    self.program = FilePath(program)
    self.logger = logger
  }

  /// The audio of a conversation, agent left and customer right; nil when the synthesiser fails.
  func audio(of script: SpokenScript) async -> ByteBuffer? {
    // A separate task, because several callers wait for it and one of them may be cancelled.
    let task = rendered.withLock { rendered in
      if let task = rendered[script.id] { return task }
      let task = Task { try await self.render(script) }
      rendered[script.id] = task
      return task
    }
    do {
      return try await task.value
    } catch {
      logger.warning("espeak-ng failed; generated audio is served instead", metadata: ["error": "\(error)"])
      return nil
    }
  }

  private func render(_ script: SpokenScript) async throws -> ByteBuffer {
    let count = SpokenCalls.format.dataBytes(milliseconds: script.milliseconds) / SpokenCalls.format.blockBytes
    var frames = (0..<2 * count).map { VoiceBank.silence[($0 * 7) % VoiceBank.frames] }
    var position = VoiceBank.sampleRate / 2
    for line in script.lines {
      let voice = line.speaker == .agent ? script.agentVoice : script.customerVoice
      let speech = try await speak(line.text, voice: voice)
      let channel = line.speaker == .agent ? 0 : 1
      for (index, sample) in speech.prefix(max(0, count - position)).enumerated() {
        frames[2 * (position + index) + channel] = sample
      }
      position += speech.count + VoiceBank.sampleRate / 3
    }
    return ByteBuffer(bytes: littleEndianBytes(frames))
  }

  /// One sentence at 8 kHz.
  private func speak(_ text: String, voice: String) async throws -> [Int16] {
    let wave = try await run(
      .path(program), arguments: ["-v", voice, "-s", "165", "--stdout", text], output: .bytes(limit: 16 << 20),
      error: .discarded
    ).standardOutput
    guard let speech = SpokenCalls.samples(of: wave) else { throw CocoaError(.fileReadCorruptFile) }
    return SpokenCalls.levelled(SpokenCalls.telephone(speech.samples, from: speech.rate))
  }

  /// The samples in the output of `espeak-ng --stdout`: 16 bit, one channel, a 44-byte header with invalid lengths.
  private static func samples(of bytes: [UInt8]) -> (samples: [Int16], rate: Int)? {
    guard bytes.count > 44, bytes.starts(with: Array("RIFF".utf8)) else { return nil }
    let rate = Int(bytes[24]) | Int(bytes[25]) << 8 | Int(bytes[26]) << 16
    guard (8000...48_000).contains(rate) else { return nil }
    let samples = stride(from: 44, to: bytes.count - 1, by: 2).map { index in
      Int16(bitPattern: UInt16(bytes[index]) | UInt16(bytes[index + 1]) << 8)
    }
    return (samples, rate)
  }

  /// Adjusts the loudness to that of a telephone call.
  private static func levelled(_ samples: [Int16]) -> [Int16] {
    let peak = samples.reduce(1) { max($0, abs(Int($1))) }
    return samples.map { Int16(truncatingIfNeeded: Int($0) * 18_000 / peak) }
  }

  /// Reduces the sample rate; each sample is the weighted mean of its neighbours.
  private static func telephone(_ samples: [Int16], from rate: Int) -> [Int16] {
    let target = VoiceBank.sampleRate
    let reach = max(1, rate / target)
    return (0..<samples.count * target / rate).map { index in
      let center = index * rate / target
      var (sum, weights) = (0, 0)
      for offset in -reach...reach where samples.indices.contains(center + offset) {
        let weight = reach + 1 - abs(offset)
        sum += weight * Int(samples[center + offset])
        weights += weight
      }
      return Int16(truncatingIfNeeded: weights == 0 ? 0 : sum / weights)
    }
  }
}
