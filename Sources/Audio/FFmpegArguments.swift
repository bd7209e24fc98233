import SystemPackage

/// Every argument that FFmpeg is called with.
///
/// The file comes from outside. A playlist that is named `.wav` makes an FFmpeg that chooses the demuxer itself read
/// other files by path (seen with 5.1), so the demuxer is forced and nothing but the pipe may be opened for reading.
struct FFmpegArguments {
  var header: WAVHeader
  var mp3: FilePath

  /// Channels of what comes out: the MP3 and the peaks know mono and stereo.
  var outputChannels: Int { min(header.channels, 2) }

  /// The arguments, without the program's own name.
  var all: [String] { input + mp3Output + pcmOutput }

  private var input: [String] {
    ["-hide_banner", "-nostdin", "-nostats", "-loglevel", "error", "-y", "-filter_threads", "1"]
      // Explode only where the header says where the audio ends; else the last packet always counts as damaged.
      + (header.endsOnBlock ? ["-xerror", "-err_detect", "explode"] : [])
      // Probing would decode the beginning twice; the header has told everything.
      + ["-analyzeduration", "0", "-probesize", "32", "-threads", "1"]
      + ["-protocol_whitelist", "pipe", "-format_whitelist", "wav", "-f", "wav", "-i", "pipe:0"]
  }

  private var mp3Output: [String] {
    // Into a file, not a pipe: the Xing header at its start is written last, and players seek by it.
    audioOnly + rate + ["-codec:a", "libmp3lame", "-q:a", "2", "-map_metadata", "0", "-f", "mp3", "file:\(mp3.string)"]
  }

  private var pcmOutput: [String] {
    audioOnly + ["-codec:a", "pcm_s16le", "-ar", "\(Peaks.sampleRate)", "-map_metadata", "-1"]
      // Without it every packet is written by itself, and each write wakes us.
      + ["-flush_packets", "0", "-f", "s16le", "pipe:1"]
  }

  private var audioOnly: [String] {
    ["-map", "0:a:0", "-vn", "-sn", "-dn"] + (header.channels > outputChannels ? ["-ac", "\(outputChannels)"] : [])
  }

  /// MP3 knows nine sample rates; any other is converted to the nearest.
  private var rate: [String] {
    let rates = [8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000]
    guard !rates.contains(header.sampleRate) else { return [] }
    let nearest = rates.min { abs($0 - header.sampleRate) < abs($1 - header.sampleRate) }
    return ["-ar", "\(nearest ?? 8000)"]
  }
}
