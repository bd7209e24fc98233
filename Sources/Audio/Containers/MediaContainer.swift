/// A container in which recordings may arrive.
package enum MediaContainer: String, Sendable, CaseIterable {
  case wav, w64, mp4, mp3, ogg, flac, amr

  /// Its name in messages.
  package var name: String {
    switch self {
    case .wav: "WAV"
    case .w64: "Wave64"
    case .mp4: "MP4"
    case .mp3: "MP3"
    case .ogg: "Ogg"
    case .flac: "FLAC"
    case .amr: "AMR"
    }
  }

  /// FFmpeg's name of its demuxer.
  var demuxer: String { self == .mp4 ? "mov" : rawValue }

  /// Whether any error of the decoder means that a file is damaged. Decoders of the others report errors for intact
  /// files too, such as at the beginning of an MP3 that was cut from a longer one.
  var isDecodedStrictly: Bool { [.w64, .flac, .amr].contains(self) }
}
