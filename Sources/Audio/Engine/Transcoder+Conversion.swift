import CTranscoder
import Glibc
package import Model
package import SystemPackage

extension Transcoder {
  /// Converts a WAV recording to MP3 with a correct Xing header and measures its peaks, in one pass.
  ///
  /// `input` is the complete file in pieces of any size (64–256 KiB are best); it may still be growing, then the
  /// conversion waits for more. An existing file at `mp3` is overwritten. It is not synced, and after an error it stays
  /// incomplete: the caller removes it. When this returns or throws, no process of the conversion is left.
  ///
  /// - Parameters:
  ///   - format: of the MP3; nil for the one that suits the recording.
  ///   - longest: the maximum length of the audio, if it is lower than the limit.
  /// - Throws: the errors of `start()`; `internalError` also when the transcoder was killed or the conversion reaches a
  ///   limit of the machine; `unsupportedAudio` when the header or the audio exceeds the limits; `conversionTimedOut`;
  ///   `conversionFailed` with FFmpeg's message as detail; `diskFull`; `interrupted` when the task is cancelled;
  ///   a `TapedeckError` of `input` unchanged, and any other of its errors as `storageFailed`.
  package nonisolated func convert<Input: AsyncSequence & Sendable>(
    _ input: Input, header: WAVHeader, to mp3: FilePath, as format: MP3Format? = nil, longest: Duration? = nil
  ) async throws(TapedeckError) -> Conversion where Input.Element: Sequence<UInt8> {
    try limits.checkRate(of: header)
    let limits = limits.lowered(to: longest)
    // Strict only where the header says where the audio ends; otherwise the last packet always counts as damaged.
    let request = limits.request(demuxer: "wav", isStrict: header.endsOnBlock, format)
    let outcome: ConversionOutcome
    do {
      let pipe = try ConversionPipe()
      pipe.prepareForSending()
      outcome = try await run(request, within: limits, input: pipe.reading, to: mp3) { progress in
        defer { pipe.writing.close() }
        try await self.feed(input, header: header, to: pipe, progress: progress)
      }
    } catch {
      throw tapedeckError(error)
    }
    if Task.isCancelled { throw TapedeckError(.interrupted) }
    return try outcome.conversion(
      of: "\(header.codecName), channels: \(header.channels), \(header.sampleRate) Hz", mp3: mp3)
  }

  /// Converts a complete recording in another container. See `convert(_:header:to:as:longest:)`.
  ///
  /// - Parameter acceptsDamage: whether to convert what can be decoded.
  package nonisolated func convert(
    file: FilePath, container: MediaContainer, to mp3: FilePath, as format: MP3Format? = nil, longest: Duration? = nil,
    acceptsDamage: Bool = false
  ) async throws(TapedeckError) -> Conversion {
    let limits = limits.lowered(to: longest)
    let isStrict = container.isDecodedStrictly && !acceptsDamage
    let request = limits.request(demuxer: container.demuxer, isStrict: isStrict, format)
    let outcome: ConversionOutcome
    do {
      let input = OwnedDescriptor(FileDescriptor(rawValue: try RegularFile.open(file.string, O_RDONLY)))
      outcome = try await run(request, within: limits, input: input, to: mp3) { _ in }
    } catch {
      throw tapedeckError(error)
    }
    if Task.isCancelled { throw TapedeckError(.interrupted) }
    return try outcome.conversion(of: container.name, mp3: mp3)
  }

  private enum Part: Sendable {
    case ended(ConversionEnd)
    case reported(ConversionReport)
    case other
  }

  /// Runs a conversion while `feed` passes the input to it; `feed` is cancelled when the conversion has ended.
  private nonisolated func run(
    _ request: CTranscoder.request, within limits: ConversionLimits, input: OwnedDescriptor, to mp3: FilePath,
    feed: @escaping @Sendable (ProgressWatch) async throws -> Void
  ) async throws -> ConversionOutcome {
    let output = OwnedDescriptor(
      try FileDescriptor.open(
        mp3, .writeOnly, options: [.create, .truncate, .closeOnExec], permissions: [.ownerReadWrite]))
    let report = try ConversionPipe()
    let process = try await self.process()
    let progress = ProgressWatch()
    return try await withTaskCancellationHandler {
      try await withThrowingTaskGroup(of: Part.self) { group in
        group.addTask { .ended(await process.run(request, with: [input, output, report.writing])) }
        group.addTask {
          let received = try await report.receive(into: ConversionReport(limitedTo: limits.audio)) { report, bytes in
            progress.progressed()
            try report.append(bytes)
          }
          return .reported(received)
        }
        group.addTask {
          defer { progress.resume() }
          // Errors after cancellation say nothing about the file.
          do { try await feed(progress) } catch { if !Task.isCancelled { throw error } }
          return .other
        }
        group.addTask {
          try await progress.watch(limit: limits.timeout)
          return .other
        }
        var outcome = ConversionOutcome(end: .lost, report: ConversionReport(limitedTo: .zero), limits: limits)
        var missing = 2
        do {
          for try await part in group {
            switch part {
            case .other: continue
            case .ended(let end): outcome.end = end
            case .reported(let report): outcome.report = report
            }
            missing -= 1
            // The rest of the input is not needed. Until both parts are there, the time limit applies.
            if missing == 0 { group.cancelAll() }
          }
        } catch {
          // The group waits for the other tasks, which wait for the end of the process.
          group.cancelAll()
          process.cancel(request.id)
          throw error
        }
        return outcome
      }
    } onCancel: {
      process.cancel(request.id)
    }
  }

  /// Passes the input to the conversion as it arrives. Returns early, without an error, when it stops reading.
  private nonisolated func feed<Input: AsyncSequence>(
    _ input: Input, header: WAVHeader, to pipe: ConversionPipe, progress: ProgressWatch
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
      // The report says more than a broken pipe.
      guard try await pipe.send(bytes) else { return }
      progress.pause()
    }
  }

  /// Maps an error around a conversion rather than in it.
  private nonisolated func tapedeckError(_ error: any Error) -> TapedeckError {
    switch error {
    case let error as TapedeckError where error.code == .conversionTimedOut: error
    case _ where Task.isCancelled: TapedeckError(.interrupted)
    case let error as TapedeckError: error
    case let error as ConversionReport.Malformed:
      TapedeckError(.conversionFailed, detail: "the conversion sent \(error.reason) and was killed")
    case Errno.noSpace: TapedeckError(.diskFull, cause: error)
    default:
      TapedeckError(
        .storageFailed, "The recording could not be read, or the MP3 not be written, while it was converted.",
        detail: "\(error)", cause: error)
    }
  }
}

extension ConversionLimits {
  fileprivate func lowered(to longest: Duration?) -> ConversionLimits {
    var limits = self
    if let longest { limits.audio = min(audio, longest) }
    return limits
  }

  /// A request for a conversion within these limits.
  ///
  /// - Parameter demuxer: FFmpeg's name of the container; shorter than 16 bytes.
  fileprivate func request(demuxer: String, isStrict: Bool, _ format: MP3Format?) -> CTranscoder.request {
    var request = CTranscoder.request()
    request.kind = REQUEST_CONVERT.rawValue
    request.id = .random(in: 1 ... .max)
    request.flags = isStrict ? UInt32(FLAG_STRICT) : 0
    request.cpu_seconds = UInt64(clamping: cpuSeconds)
    request.memory_bytes = UInt64(clamping: addressSpaceBytes)
    request.output_bytes = UInt64(clamping: outputBytes)
    request.audio_milliseconds = UInt64(max(0, min(audio.inSeconds * 1000, 1e15)))
    (request.mp3_rate, request.mp3_channels) = (UInt32(format?.rate ?? 0), UInt32(format?.channels ?? 0))
    withUnsafeMutableBytes(of: &request.demuxer) { $0.copyBytes(from: demuxer.utf8.prefix($0.count)) }
    return request
  }
}
