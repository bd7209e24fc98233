import Glibc
package import Model
import Subprocess
package import SystemPackage

extension FFmpeg {
  /// Converts a recording to MP3 with a correct Xing header and measures its peaks, in one FFmpeg run.
  ///
  /// `input` is the complete file in pieces of any size (64–256 KiB are best); it may still be growing, then FFmpeg
  /// waits for more. An existing file at `mp3` is overwritten. It is not synced, and after an error it remains
  /// incomplete: the caller removes it. When this returns or throws, no process is left.
  ///
  /// - Parameter longest: the maximum length of the audio, if it is lower than the limit.
  /// - Throws: `ffmpegMissing`, including when its MP3 encoder is missing; `internalError` when it cannot be started or
  ///   reaches a limit of the machine; `unsupportedAudio` when the header or the audio exceeds the limits;
  ///   `conversionTimedOut`; `conversionFailed` with the end of FFmpeg's messages as detail; `diskFull`; `interrupted`
  ///   when the task is cancelled; a `TapedeckError` of `input` unchanged, and any other of its errors as
  ///   `storageFailed`.
  package func convert<Input: AsyncSequence & Sendable>(
    _ input: Input, header: WAVHeader, to mp3: FilePath, longest: Duration? = nil
  ) async throws(TapedeckError) -> Conversion where Input.Element: Sequence<UInt8> {
    try await convert(header: header, to: mp3, longest: longest) { run, progress in
      do {
        return try await execute(run, forking: true, progress: progress) { pipe in
          try await feed(input, header: header, to: pipe, progress: progress)
        }
      } catch is LauncherProcess.Terminated {
        // The input cannot be read a second time.
        throw TapedeckError(
          .internalError, "The conversion was interrupted and must be restarted.",
          detail: "FFmpeg's launcher was killed")
      }
    }
  }

  /// Converts a recording from a complete file, at a lower cost than `convert(_:header:to:)`.
  ///
  /// - Throws: the errors of `convert(_:header:to:)`; `storageFailed` when the file cannot be read.
  package func convert(
    file: FilePath, header: WAVHeader, to mp3: FilePath, longest: Duration? = nil
  ) async throws(TapedeckError) -> Conversion {
    try await convert(header: header, to: mp3, longest: longest) { run, progress in
      let input = try openRegularFile(file)
      defer { try? input.close() }
      let feed: @Sendable (ChildPipe) async throws -> Void = { pipe in
        progress.resume()
        var start: Int64 = 0
        if let replacement = header.replacement {
          guard try await pipe.send(replacement) else { return }
          start = header.dataOffset
        }
        try await pipe.send(input, from: start) { progress.progressed() }
      }
      do {
        return try await execute(run, forking: true, progress: progress, feed: feed)
      } catch is LauncherProcess.Terminated {
        return try await execute(run, forking: false, progress: progress, feed: feed)
      }
    }
  }

  private func convert(
    header: WAVHeader, to mp3: FilePath, longest: Duration?,
    running execute: @escaping @Sendable (FFmpegRun, ProgressWatch) async throws -> FFmpegOutcome
  ) async throws(TapedeckError) -> Conversion {
    try limits.checkRate(of: header)
    let arguments = FFmpegArguments(header: header, mp3: mp3)
    var limits = limits
    if let longest { limits.audio = min(limits.audio, longest) }
    let run = FFmpegRun(
      program: try await find(), arguments: arguments.all, channels: arguments.outputChannels, limits: limits)
    let progress = ProgressWatch()
    let ended: FFmpegOutcome
    do {
      ended = try await progress.watching(limit: limits.timeout) { try await execute(run, progress) }
    } catch is ProgressWatch.Stalled {
      throw TapedeckError(
        .conversionTimedOut, detail: "FFmpeg made no progress for \(limits.timeout.inSeconds) s and was killed")
    } catch {
      throw Task.isCancelled ? TapedeckError(.interrupted) : tapedeckError(error)
    }
    if Task.isCancelled { throw TapedeckError(.interrupted) }
    if let problem = ended.problem(of: header, limits: limits, machine: .current) { throw problem }
    return Conversion(
      decodedFrames: ended.frames, channels: run.channels,
      duration: .seconds(Double(ended.frames) / Double(Peaks.sampleRate)), peaks: ended.peaks,
      mp3Bytes: try length(of: mp3, ended))
  }

  /// Runs FFmpeg while `feed` passes the input to it; `feed` is cancelled when FFmpeg stops reading.
  ///
  /// - Parameter isForking: whether FFmpeg is forked from the launcher where possible.
  private func execute(
    _ run: FFmpegRun, forking isForking: Bool, progress: ProgressWatch,
    feed: @escaping @Sendable (ChildPipe) async throws -> Void
  ) async throws -> FFmpegOutcome {
    let pipes = try FFmpegPipes()
    defer { pipes.close() }
    let (status, output) = try await start(run, forking: isForking, pipes: pipes) { kill in
      pipes.closeChilds()
      return try await withThrowingTaskGroup(of: Ended.self) { group in
        group.addTask {
          // FFmpeg sees the end of its input only when no copy of the pipe is open.
          defer { pipes.input.close() }
          // Errors after cancellation say nothing about the file.
          do { try await feed(pipes.input) } catch { if !Task.isCancelled { throw error } }
          progress.resume()
          return .input
        }
        group.addTask {
          .messages(try await pipes.messages.receive(into: Tail(limit: 4096)) { $0.append($1) }.text)
        }
        group.addTask { .audio(try await measure(pipes.audio, of: run, progress: progress)) }
        var messages: String?
        var measured: PeaksBuilder?
        do {
          for try await ended in group {
            switch ended {
            case .input: break
            case .messages(let text): messages = text
            case .audio(let builder): measured = builder
            }
            // FFmpeg has closed both outputs and reads no more input, however much remains.
            if messages != nil, measured != nil { group.cancelAll() }
          }
        } catch {
          // The group waits for the other tasks, whose threads wait for FFmpeg.
          kill()
          throw error
        }
        return (messages: messages ?? "", measured: measured ?? PeaksBuilder(channels: run.channels))
      }
    }
    return FFmpegOutcome(
      status: status, messages: output.messages, frames: output.measured.frames, peaks: output.measured.finish())
  }

  /// Starts FFmpeg in the cheapest available way.
  private func start<Value: Sendable>(
    _ run: FFmpegRun, forking isForking: Bool, pipes: FFmpegPipes,
    _ body: @Sendable @escaping (_ kill: @escaping @Sendable () -> Void) async throws -> Value
  ) async throws -> (status: TerminationStatus, value: Value) {
    if isForking, let child = try? await launcher.process(for: run.program).fork(run, pipes: pipes) {
      return try await child.run(body)
    }
    return try await run.spawn(environment: environment, pipes: pipes, body)
  }

  /// Passes the input to FFmpeg as it arrives. Returns early, without an error, when FFmpeg stops reading.
  private func feed<Input: AsyncSequence>(
    _ input: Input, header: WAVHeader, to pipe: ChildPipe, progress: ProgressWatch
  ) async throws where Input.Element: Sequence<UInt8> {
    var replacement = header.replacement
    var replaced = replacement == nil ? 0 : Int(header.dataOffset)
    for try await piece in input {
      progress.resume()
      var bytes = Array(piece)
      let skipped = min(replaced, bytes.count)
      bytes.removeFirst(skipped)
      replaced -= skipped
      if let first = replacement { bytes = first + bytes }
      replacement = nil
      // FFmpeg's messages and exit status say more than a broken pipe.
      guard try await pipe.send(bytes) else { return }
      progress.pause()
    }
  }

  private func measure(_ audio: ChildPipe, of run: FFmpegRun, progress: ProgressWatch) async throws -> PeaksBuilder {
    let limits = run.limits
    let maxFrames = Int64(min(limits.audio.inSeconds * Double(Peaks.sampleRate), 1e15))
    return try await audio.receive(into: PeaksBuilder(channels: run.channels)) { builder, bytes in
      progress.progressed()
      builder.append(bytes)
      guard builder.frames <= maxFrames else {
        throw limits.tooLong()
      }
    }
  }

  /// Maps an error around FFmpeg rather than in it.
  private func tapedeckError(_ error: any Error) -> TapedeckError {
    switch error {
    case let error as TapedeckError: error
    case let error as SubprocessError where error.code == .executableNotFound:
      TapedeckError(
        .ffmpegMissing, "'prlimit', which limits FFmpeg, was not found. Install it ('apt-get install util-linux').",
        cause: error)
    case let error as SubprocessError:
      // Describes the machine, such as a missing process slot, and not the recording.
      TapedeckError(
        .internalError, "FFmpeg could not be started. The conversion will be retried; the log has the reason.",
        detail: "\(error)", cause: error)
    default:
      TapedeckError(
        .storageFailed, "The recording could not be read while it was converted.", detail: "\(error)", cause: error)
    }
  }

  private func length(of mp3: FilePath, _ ended: FFmpegOutcome) throws(TapedeckError) -> Int64 {
    do {
      let file = try openRegularFile(mp3)
      return try file.closeAfter { try file.seek(offset: 0, from: .end) }
    } catch {
      throw TapedeckError(.conversionFailed, detail: "FFmpeg left no MP3: \(error). \(ended.messages)", cause: error)
    }
  }
}

/// One of the three tasks that run alongside FFmpeg has ended.
private enum Ended: Sendable {
  case input
  case messages(String)
  case audio(PeaksBuilder)
}

/// Opens a file that the pipeline wrote; throws `Errno`, and `RegularFile.Failure.notRegular` for anything else.
private func openRegularFile(_ path: FilePath) throws -> FileDescriptor {
  do throws(RegularFile.Failure) {
    return FileDescriptor(rawValue: try RegularFile.open(path.string, O_RDONLY))
  } catch {
    if case .code(let code) = error { throw Errno(rawValue: code) }
    throw error
  }
}
