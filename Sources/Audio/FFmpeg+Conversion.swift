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
    try await convert(header: header, to: mp3) { arguments, progress in
      try await execute(arguments, input: .inputWriter, progress: progress) { execution in
        try await feed(input, to: execution.standardInputWriter, progress: progress)
      }
    }
  }

  /// Converts a recording that is complete in a file, as `convert(_:header:to:)` does, at less cost.
  ///
  /// FFmpeg is started at once, so that its program is loaded while the caller still waits for its turn; it gets the first
  /// byte when `ready` returns. `ready` is cancelled when FFmpeg ends before that. An error of `ready` ends FFmpeg.
  ///
  /// - Throws: the errors of `convert(_:header:to:)`; an error of `ready` as it is; `storageFailed` when the file cannot be
  ///   read.
  package func convert(
    file: FilePath, header: WAVHeader, to mp3: FilePath,
    startingWhen ready: @escaping @Sendable () async throws(TapedeckError) -> Void
  ) async throws(TapedeckError) -> Conversion {
    try await convert(header: header, to: mp3) { arguments, progress in
      let pipe = try ChildPipe(.toChild)
      defer { pipe.close() }
      let input = FileDescriptorInput.fileDescriptor(pipe.childs, closeAfterSpawningProcess: false)
      return try await execute(arguments, input: input, progress: progress) { _ in
        // FFmpeg sees the end of its input, and a thread at work that nobody reads on, when no other copies are open.
        defer { pipe.close() }
        pipe.closeChilds()
        try await ready()
        progress.resume()
        try await pipe.send(file) { progress.progressed() }
      }
    }
  }

  private func convert(
    header: WAVHeader, to mp3: FilePath,
    running run: @escaping @Sendable (FFmpegArguments, ProgressWatch) async throws -> Run
  ) async throws(TapedeckError) -> Conversion {
    let path = try await find()
    let arguments = FFmpegArguments(executable: path, header: header, mp3: mp3, limits: limits)
    let progress = ProgressWatch()
    let ended: Run
    do {
      ended = try await progress.watching(limit: limits.timeout) { try await run(arguments, progress) }
    } catch is ProgressWatch.Stalled {
      throw TapedeckError(
        .conversionTimedOut, detail: "FFmpeg made no progress for \(limits.timeout.inSeconds) s and was killed")
    } catch {
      throw Task.isCancelled ? TapedeckError(.interrupted) : tapedeckError(error)
    }
    if Task.isCancelled { throw TapedeckError(.interrupted) }
    if let problem = ended.problem(limits: limits) { throw problem }
    return Conversion(
      decodedFrames: ended.frames, channels: arguments.outputChannels,
      duration: .seconds(Double(ended.frames) / Double(Peaks.sampleRate)), peaks: ended.peaks,
      mp3Bytes: try length(of: mp3, ended))
  }

  /// Runs FFmpeg while `feed` passes the file on; `feed` is cancelled when FFmpeg takes no more.
  private func execute<Input: InputProtocol>(
    _ arguments: FFmpegArguments, input: Input, progress: ProgressWatch,
    feed: @escaping @Sendable (Running<Input>) async throws -> Void
  ) async throws -> Run {
    let channels = arguments.outputChannels
    let audio = try ChildPipe(.fromChild)
    defer { audio.close() }
    // By its path: a name is tried by forking once for each folder of PATH, which costs more than all else here.
    let name: Executable = .name("prlimit")
    let limiter = try await name.resolveExecutablePath(in: environment)
    let result = try await Subprocess.run(
      .path(limiter), arguments: Arguments(arguments.all), environment: environment, platformOptions: .ownGroup,
      input: input, output: .fileDescriptor(audio.childs, closeAfterSpawningProcess: false), error: .sequence
    ) { execution in
      audio.closeChilds()
      return try await withThrowingTaskGroup(of: Ended.self) { group in
        group.addTask {
          // Cancelled, it tells nothing about the file.
          do { try await feed(execution) } catch { if !Task.isCancelled { throw error } }
          progress.resume()
          return .input
        }
        group.addTask { try await tail(of: execution.standardError) }
        group.addTask { try await measure(audio, channels: channels, progress: progress) }
        var words: String?
        var measured: PeaksBuilder?
        do {
          for try await ended in group {
            switch ended {
            case .input: break
            case .words(let text): words = text
            case .audio(let builder): measured = builder
            }
            // FFmpeg has closed both of its outputs: it takes no more input, however much is still to come.
            if words != nil, measured != nil { group.cancelAll() }
          }
        } catch {
          // The group waits for the rest, and the threads wait for FFmpeg.
          try? execution.send(signal: .kill, toProcessGroup: true)
          throw error
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
  ) async throws where Input.Element: Sequence<UInt8> {
    for try await piece in input {
      let bytes = Array(piece)
      progress.resume()
      // What FFmpeg says and how it exits tell more than a broken pipe.
      guard let written = try? await writer.write(bytes), written == bytes.count else { break }
      progress.pause()
    }
    progress.resume()
    try? await writer.finish()
  }

  private func tail(of words: SubprocessOutputSequence) async throws -> Ended {
    var tail = Tail(limit: 4096)
    for try await piece in words { piece.withUnsafeBytes { tail.append($0) } }
    return .words(tail.text)
  }

  private func measure(_ audio: ChildPipe, channels: Int, progress: ProgressWatch) async throws -> Ended {
    let mostFrames = Int64(min(limits.audio.inSeconds * Double(Peaks.sampleRate), 1e15))
    let limit = limits.audio
    return .audio(
      try await audio.receive(into: PeaksBuilder(channels: channels)) { builder, bytes in
        progress.progressed()
        builder.append(bytes)
        guard builder.frames <= mostFrames else {
          throw TapedeckError(
            .conversionFailed, "The recording is longer than the limit of \(limit.inSeconds / 3600) hours.")
        }
      })
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

private typealias Running<Input: InputProtocol> = Execution<Input, FileDescriptorOutput, SequenceOutput>

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
