package import Model
import Subprocess
package import SystemPackage

extension FFmpeg {
  /// Converts a recording into an MP3 with a correct Xing header, and measures its peaks, in one run of FFmpeg.
  ///
  /// `input` is the whole file from its first byte, in pieces of any size (64–256 KiB are best); it may still be
  /// growing, then FFmpeg waits with it. An existing file at `mp3` is overwritten. It is not synced, and an error leaves
  /// it there incomplete: the caller removes it. When this returns or throws, no process is left.
  ///
  /// - Throws: `ffmpegMissing`, also when its MP3 encoder is missing; `conversionTimedOut`; `conversionFailed` with the end
  ///   of FFmpeg's words as detail; `diskFull`; `interrupted` when the task is cancelled; a `TapedeckError` of `input` as
  ///   it is, any other of its errors as `storageFailed`.
  package func convert<Input: AsyncSequence & Sendable>(
    _ input: Input, header: WAVHeader, to mp3: FilePath
  ) async throws(TapedeckError) -> Conversion where Input.Element: Sequence<UInt8> {
    let path = try await find()
    let arguments = FFmpegArguments(executable: path, header: header, mp3: mp3, limits: limits)
    let progress = ProgressWatch()
    let run: Run
    do {
      run = try await progress.watching(limit: limits.timeout) {
        try await execute(arguments, input: input, progress: progress)
      }
    } catch is ProgressWatch.Stalled {
      throw TapedeckError(
        .conversionTimedOut, detail: "FFmpeg made no progress for \(limits.timeout.inSeconds) s and was killed")
    } catch {
      throw Task.isCancelled ? TapedeckError(.interrupted) : tapedeckError(error)
    }
    if Task.isCancelled { throw TapedeckError(.interrupted) }
    if let problem = run.problem(limits: limits) { throw problem }
    return Conversion(
      decodedFrames: run.frames, channels: arguments.outputChannels,
      duration: .seconds(Double(run.frames) / Double(Peaks.sampleRate)), peaks: run.peaks,
      mp3Bytes: try length(of: mp3, run))
  }

  private func execute<Input: AsyncSequence & Sendable>(
    _ arguments: FFmpegArguments, input: Input, progress: ProgressWatch
  ) async throws -> Run where Input.Element: Sequence<UInt8> {
    let channels = arguments.outputChannels
    let result = try await Subprocess.run(
      .name("prlimit"), arguments: Arguments(arguments.all), environment: environment, platformOptions: .ownGroup,
      input: .inputWriter, output: .sequence, error: .sequence
    ) { execution in
      try await withThrowingTaskGroup(of: Ended.self) { group in
        group.addTask { try await feed(input, to: execution.standardInputWriter, progress: progress) }
        group.addTask { try await tail(of: execution.standardError) }
        group.addTask { try await measure(execution.standardOutput, channels: channels, progress: progress) }
        var words: String?
        var measured: PeaksBuilder?
        for try await ended in group {
          switch ended {
          case .input: break
          case .words(let text): words = text
          case .audio(let builder): measured = builder
          }
          // FFmpeg has closed both of its outputs: it takes no more input, however much is still to come.
          if words != nil, measured != nil { group.cancelAll() }
        }
        return (words ?? "", measured ?? PeaksBuilder(channels: channels))
      }
    }
    let (words, measured) = result.closureResult
    return Run(status: result.terminationStatus, words: words, frames: measured.frames, peaks: measured.finish())
  }

  /// Passes the file on as it comes. Ends early, without an error, when FFmpeg reads no further.
  private func feed<Input: AsyncSequence>(
    _ input: Input, to writer: StandardInputWriter, progress: ProgressWatch
  ) async throws -> Ended where Input.Element: Sequence<UInt8> {
    do {
      for try await piece in input {
        let bytes = Array(piece)
        progress.resume()
        // What FFmpeg says and how it exits tell more than a broken pipe.
        guard let written = try? await writer.write(bytes), written == bytes.count else { break }
        progress.pause()
      }
    } catch {
      throw Task.isCancelled ? CancellationError() : error
    }
    progress.resume()
    try? await writer.finish()
    return .input
  }

  private func tail(of words: SubprocessOutputSequence) async throws -> Ended {
    var tail = Tail(limit: 4096)
    for try await piece in words { piece.withUnsafeBytes { tail.append($0) } }
    return .words(tail.text)
  }

  private func measure(
    _ audio: SubprocessOutputSequence, channels: Int, progress: ProgressWatch
  ) async throws -> Ended {
    let mostFrames = Int64(min(limits.audio.inSeconds * Double(Peaks.sampleRate), 1e15))
    var builder = PeaksBuilder(channels: channels)
    for try await piece in audio {
      progress.progressed()
      piece.withUnsafeBytes { builder.append($0) }
      guard builder.frames <= mostFrames else {
        throw TapedeckError(
          .conversionFailed, "The recording is longer than the limit of \(limits.audio.inSeconds / 3600) hours.")
      }
    }
    return .audio(builder)
  }

  /// The error for what went wrong around FFmpeg rather than in it.
  private func tapedeckError(_ error: any Error) -> TapedeckError {
    switch error {
    case let error as TapedeckError: error
    case let error as SubprocessError where error.code == .executableNotFound:
      TapedeckError(
        .ffmpegMissing, "'prlimit', which limits FFmpeg, was not found. Install it ('apt-get install util-linux').",
        cause: error)
    case let error as SubprocessError:
      TapedeckError(.conversionFailed, detail: "FFmpeg could not be run: \(error)", cause: error)
    default:
      TapedeckError(
        .storageFailed, "The recording could not be read while it was converted.", detail: "\(error)", cause: error)
    }
  }

  private func length(of mp3: FilePath, _ run: Run) throws(TapedeckError) -> Int64 {
    do {
      let file = try FileDescriptor.open(mp3, .readOnly)
      return try file.closeAfter { try file.seek(offset: 0, from: .end) }
    } catch {
      throw TapedeckError(.conversionFailed, detail: "FFmpeg left no MP3: \(error). \(run.words)", cause: error)
    }
  }
}

/// One of the three things that happen beside a running FFmpeg has come to its end.
private enum Ended: Sendable {
  case input
  case words(String)
  case audio(PeaksBuilder)
}

/// How a run of FFmpeg ended.
private struct Run: Sendable {
  var status: TerminationStatus
  /// The end of what it said on standard error.
  var words: String
  var frames: Int64
  var peaks: Peaks

  /// What went wrong, if anything. An exit code of 0 alone does not prove that all was written.
  func problem(limits: ConversionLimits) -> TapedeckError? {
    let detail = "\(status): \(words)"
    if words.contains("No space left on device") { return TapedeckError(.diskFull, detail: detail) }
    switch status {
    case .exited(0) where words.contains("Error writing trailer") || words.contains("av_interleaved_write_frame"):
      return TapedeckError(.conversionFailed, "FFmpeg could not write the MP3.", detail: detail)
    case .exited(0) where frames == 0:
      return TapedeckError(.conversionFailed, "FFmpeg found no audio in the recording.", detail: detail)
    case .exited(0):
      return nil
    case .exited where words.contains("Unknown encoder"):
      return TapedeckError(
        .ffmpegMissing, "This FFmpeg has no MP3 encoder. Install one with libmp3lame ('apt-get install ffmpeg').",
        detail: detail)
    case .exited:
      return TapedeckError(.conversionFailed, detail: detail)
    case .signaled(9):
      return TapedeckError(
        .conversionFailed,
        "FFmpeg was killed by the system: it used \(limits.cpuSeconds) s of processor time, or memory ran out.",
        detail: detail)
    case .signaled(25):
      return TapedeckError(
        .conversionFailed, "The MP3 grew beyond the limit of \(limits.outputBytes) bytes.", detail: detail)
    case .signaled(let signal):
      return TapedeckError(.conversionFailed, "FFmpeg crashed (signal \(signal)).", detail: detail)
    }
  }
}
