/// What came of converting a recording.
package struct Conversion: Sendable, Equatable {
  /// Frames of the audio after decoding, at 8 kHz.
  package var decodedFrames: Int64
  /// Channels of the MP3 and of the peaks: 1 or 2.
  package var channels: Int
  /// How long the decoded audio plays.
  package var duration: Duration
  package var peaks: Peaks
  /// Bytes of the MP3.
  package var mp3Bytes: Int64

  package init(decodedFrames: Int64, channels: Int, duration: Duration, peaks: Peaks, mp3Bytes: Int64) {
    self.decodedFrames = decodedFrames
    self.channels = channels
    self.duration = duration
    self.peaks = peaks
    self.mp3Bytes = mp3Bytes
  }
}
