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
  /// - Throws: `ffmpegMissing`, also when its MP3 encoder is missing; `internalError` when it cannot be started;
  ///   `conversionTimedOut`; `conversionFailed` with the end of FFmpeg's words as detail; `diskFull`; `interrupted` when
  ///   the task is cancelled; a `TapedeckError` of `input` as it is, any other of its errors as `storageFailed`.
  package func convert<Input: AsyncSequence & Sendable>(
    _ input: Input, header: WAVHeader, to mp3: FilePath
  ) async throws(TapedeckError) -> Conversion where Input.Element: Sequence<UInt8> {
    try await convert(header: header, to: mp3) { run, progress in
      do {
        return try await execute(run, forking: true, progress: progress) { pipe in
          try await feed(input, to: pipe, progress: progress)
        }
      } catch is LauncherProcess.Gone {
        // What was passed on is used up.
        throw TapedeckError(
          .internalError, "The conversion was broken off and has to begin again.",
          detail: "FFmpeg's launcher was killed")
      }
    }
  }

  /// Converts a recording that is complete in a file, as `convert(_:header:to:)` does, at less cost.
  ///
  /// - Throws: the errors of `convert(_:header:to:)`; `storageFailed` when the file cannot be read.
  package func convert(
    file: FilePath, header: WAVHeader, to mp3: FilePath
  ) async throws(TapedeckError) -> Conversion {
    try await convert(header: header, to: mp3) { run, progress in
      let input = try FileDescriptor.open(file, .readOnly, options: .closeOnExec)
      defer { try? input.close() }
      let feed: @Sendable (ChildPipe) async throws -> Void = { pipe in
        progress.resume()
        try await pipe.send(input) { progress.progressed() }
      }
      do { return try await execute(run, forking: true, progress: progress, feed: feed) } catch is LauncherProcess.Gone
      {
        return try await execute(run, forking: false, progress: progress, feed: feed)
      }
    }
  }

  private func convert(
    header: WAVHeader, to mp3: FilePath,
    running execute: @escaping @Sendable (FFmpegRun, ProgressWatch) async throws -> Outcome
  ) async throws(TapedeckError) -> Conversion {
    let arguments = FFmpegArguments(header: header, mp3: mp3)
    let run = FFmpegRun(
      program: try await find(), arguments: arguments.all, channels: arguments.outputChannels, limits: limits)
    let progress = ProgressWatch()
    let ended: Outcome
    do {
      ended = try await progress.watching(limit: limits.timeout) { try await execute(run, progress) }
    } catch is ProgressWatch.Stalled {
      throw TapedeckError(
        .conversionTimedOut, detail: "FFmpeg made no progress for \(limits.timeout.inSeconds) s and was killed")
    } catch {
      throw Task.isCancelled ? TapedeckError(.interrupted) : tapedeckError(error)
    }
    if Task.isCancelled { throw TapedeckError(.interrupted) }
    if let problem = ended.problem(limits: limits) { throw problem }
    return Conversion(
      decodedFrames: ended.frames, channels: run.channels,
      duration: .seconds(Double(ended.frames) / Double(Peaks.sampleRate)), peaks: ended.peaks,
      mp3Bytes: try length(of: mp3, ended))
  }

  /// Runs FFmpeg while `feed` passes the file on; `feed` is cancelled when FFmpeg takes no more.
  ///
  /// - Parameter isForking: whether it is forked where that is possible.
  private func execute(
    _ run: FFmpegRun, forking isForking: Bool, progress: ProgressWatch,
    feed: @escaping @Sendable (ChildPipe) async throws -> Void
  ) async throws -> Outcome {
    let pipes = try FFmpegPipes()
    defer { pipes.close() }
    let (status, said) = try await start(run, forking: isForking, pipes: pipes) { kill in
      pipes.closeChilds()
      return try await withThrowingTaskGroup(of: Ended.self) { group in
        group.addTask {
          // FFmpeg sees the end of its input when no copy is open.
          defer { pipes.input.close() }
          // Cancelled, it tells nothing about the file.
          do { try await feed(pipes.input) } catch { if !Task.isCancelled { throw error } }
          progress.resume()
          return .input
        }
        group.addTask { .words(try await pipes.words.receive(into: Tail(limit: 4096)) { $0.append($1) }.text) }
        group.addTask { .audio(try await measure(pipes.audio, channels: run.channels, progress: progress)) }
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
          kill()
          throw error
        }
        return (words: words ?? "", measured: measured ?? PeaksBuilder(channels: run.channels))
      }
    }
    return Outcome(
      status: status, words: said.words, frames: said.measured.frames, peaks: said.measured.finish())
  }

  /// Starts FFmpeg in the way that costs least here.
  private func start<Value: Sendable>(
    _ run: FFmpegRun, forking isForking: Bool, pipes: FFmpegPipes,
    _ body: @Sendable @escaping (_ kill: @escaping @Sendable () -> Void) async throws -> Value
  ) async throws -> (status: TerminationStatus, value: Value) {
    if isForking, let child = try? await launcher.process(for: run.program).fork(run, pipes: pipes) {
      return try await child.run(body)
    }
    return try await run.startedAnew(environment: environment, pipes: pipes, body)
  }

  /// Passes the file on as it comes. Ends early, without an error, when FFmpeg reads no further.
  private func feed<Input: AsyncSequence>(
    _ input: Input, to pipe: ChildPipe, progress: ProgressWatch
  ) async throws where Input.Element: Sequence<UInt8> {
    for try await piece in input {
      progress.resume()
      // What FFmpeg says and how it exits tell more than a broken pipe.
      guard try await pipe.send(Array(piece)) else { return }
      progress.pause()
    }
  }

  private func measure(_ audio: ChildPipe, channels: Int, progress: ProgressWatch) async throws -> PeaksBuilder {
    let mostFrames = Int64(min(limits.audio.inSeconds * Double(Peaks.sampleRate), 1e15))
    let limit = limits.audio
    return try await audio.receive(into: PeaksBuilder(channels: channels)) { builder, bytes in
      progress.progressed()
      builder.append(bytes)
      guard builder.frames <= mostFrames else {
        throw TapedeckError(
          .conversionFailed, "The recording is longer than the limit of \(limit.inSeconds / 3600) hours.")
      }
    }
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
      // Says something of the machine, such as that it has no process left, and nothing of the recording.
      TapedeckError(
        .internalError, "FFmpeg could not be started. It is tried again; the reason is in the log.",
        detail: "\(error)", cause: error)
    default:
      TapedeckError(
        .storageFailed, "The recording could not be read while it was converted.", detail: "\(error)", cause: error)
    }
  }

  private func length(of mp3: FilePath, _ ended: Outcome) throws(TapedeckError) -> Int64 {
    do {
      let file = try FileDescriptor.open(mp3, .readOnly)
      return try file.closeAfter { try file.seek(offset: 0, from: .end) }
    } catch {
      throw TapedeckError(.conversionFailed, detail: "FFmpeg left no MP3: \(error). \(ended.words)", cause: error)
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
private struct Outcome: Sendable {
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
