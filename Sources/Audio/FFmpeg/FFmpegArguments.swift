import SystemPackage

/// The arguments of FFmpeg.
///
/// The input comes from outside. If FFmpeg chooses the demuxer, a playlist named `.wav` makes it read other files by
/// path (seen with 5.1). The demuxer is therefore fixed, and only the pipe may be opened for reading.
struct FFmpegArguments {
  var header: WAVHeader
  var mp3: FilePath

  /// Output channels: MP3 and peaks support mono and stereo.
  var outputChannels: Int { min(header.channels, 2) }

  /// All arguments, without the program name.
  var all: [String] { input + mp3Output + pcmOutput }

  private var input: [String] {
    ["-hide_banner", "-nostdin", "-nostats", "-loglevel", "error", "-y", "-filter_threads", "1"]
      // Explode only where the header says where the audio ends; otherwise the last packet always counts as damaged.
      + (header.endsOnBlock ? ["-xerror", "-err_detect", "explode"] : [])
      // Probing would decode the beginning twice, and the header has already been read.
      + ["-analyzeduration", "0", "-probesize", "32", "-threads", "1"]
      + ["-protocol_whitelist", "pipe", "-format_whitelist", "wav", "-f", "wav", "-i", "pipe:0"]
  }

  private var mp3Output: [String] {
    // To a file, not a pipe: the Xing header at its start is written last, and players need it for seeking.
    audioOnly + rate + ["-codec:a", "libmp3lame", "-q:a", "2"] + sampleFormat
      + ["-map_metadata", "0", "-f", "mp3", "file:\(mp3.string)"]
  }

  private var pcmOutput: [String] {
    audioOnly + ["-codec:a", "pcm_s16le", "-ar", "\(Peaks.sampleRate)", "-map_metadata", "-1"]
      // Without this every packet is written separately, and each write wakes the reader.
      + ["-flush_packets", "0", "-f", "s16le", "pipe:1"]
  }

  /// Integers for floating-point audio, which may contain NaN or infinity: LAME aborts on them.
  private var sampleFormat: [String] { header.codec == .float ? ["-sample_fmt", "s16p"] : [] }

  private var audioOnly: [String] {
    ["-map", "0:a:0", "-vn", "-sn", "-dn"] + (header.channels > outputChannels ? ["-ac", "\(outputChannels)"] : [])
  }

  /// MP3 supports nine sample rates; any other is converted to the nearest one.
  private var rate: [String] {
    let rates = [8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000]
    guard !rates.contains(header.sampleRate) else { return [] }
    let nearest = rates.min { abs($0 - header.sampleRate) < abs($1 - header.sampleRate) }
    return ["-ar", "\(nearest ?? 8000)"]
  }
}
